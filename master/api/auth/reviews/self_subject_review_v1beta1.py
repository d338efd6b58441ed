"""SelfSubjectReview in the version that kubectl 1.27 asks for (`kubectl auth whoami`); v1 came with 1.28."""

from dataclasses import replace

from master.api.auth.reviews.review import Review
from master.api.auth.reviews.self_subject_review import REVIEW as V1

# The two versions have the same fields; the schemas of newer releases have the newer one alone.
REVIEW = Review(kind=replace(V1.kind, version="v1beta1"), respond=V1.respond)
