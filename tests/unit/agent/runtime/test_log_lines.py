"""Lines that the engine sends again are passed on once."""

from agent.runtime.log_lines import Once


def test_lines_sent_again_are_left_out_whatever_the_clock_does() -> None:
    once = Once(timestamps=False)
    frames = [(1, b"09 a\n"), (1, b"10 b\n"), (2, b"10 b\n"), (1, b"09 a\n"), (1, b"10 b\n"), (1, b"03 set back\n")]
    assert b"".join(once.pass_on(channel, frame) for channel, frame in frames) == b"a\nb\nb\nset back\n"


def test_the_parts_of_a_long_line_share_its_stamp_and_stay_together() -> None:
    plain, stamped = Once(timestamps=False), Once(timestamps=True)
    parts = [b"10 " + b"x" * 16384, b"10 " + b"x" * 16384, b"10 end\n"]
    other = (2, b"10 beside\n")
    frames = [(1, parts[0]), other, (1, parts[1]), (1, parts[2]), *((1, part) for part in parts), (1, b"11 next\n")]
    assert b"".join(plain.pass_on(*frame) for frame in frames) == b"x" * 16384 + b"beside\n" + b"x" * 16384 + b"end\nnext\n"
    got = b"".join(stamped.pass_on(*frame) for frame in frames if frame != other)
    assert got == b"10 " + b"x" * 32768 + b"end\n11 next\n"


def test_what_is_remembered_is_bounded() -> None:
    once = Once(timestamps=False)
    for number in range(20_000):
        assert once.pass_on(1, b"%d line\n" % number)
    assert len(once._seen) < 10_000
