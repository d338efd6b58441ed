"""The runtime's specs as Docker's create requests. Pure.

Written as the API's own JSON (POST /containers/create, 1.41): docker-py's builders add nothing but their own checks.
"""

from typing import Any

from agent.runtime.spec import ContainerSpec, Mount, ResourceLimits, SandboxSpec, Security

_LOG_DRIVER = "json-file"
#: What containerd's CRI masks in /proc besides Docker's own; only the switch matters to Docker.
_UNMASKED: dict[str, Any] = {"MaskedPaths": [], "ReadonlyPaths": []}


def sandbox_config(spec: SandboxSpec) -> dict[str, Any]:
    """A pause container: the least that holds the pod's namespaces."""
    host: dict[str, Any] = {
        "NetworkMode": "host" if spec.host_network else (spec.network or "none"),
        "IpcMode": "host" if spec.host_ipc else "shareable",
        "CpuShares": 2,
        "OomScoreAdj": -998,
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
        "LogConfig": {"Type": "none", "Config": {}},
        "RestartPolicy": {"Name": "no"},
    }
    host["SecurityOpt"] += [f"label={one}" for one in spec.se_linux]
    if spec.runtime:
        host["Runtime"] = spec.runtime
    if spec.host_pid:
        host["PidMode"] = "host"
    if spec.sysctls:
        host["Sysctls"] = dict(spec.sysctls)
    config: dict[str, Any] = {"Image": spec.image, "Labels": dict(spec.labels), "HostConfig": host}
    if spec.command:
        config["Entrypoint"] = list(spec.command)
    if spec.hostname:
        config["Hostname"] = spec.hostname
    if spec.ports:
        exposed, bindings = config.setdefault("ExposedPorts", {}), host.setdefault("PortBindings", {})
        for port in spec.ports:
            key = f"{port.container_port}/{port.protocol}"
            exposed[key] = {}
            bindings.setdefault(key, []).append({"HostIp": port.host_ip, "HostPort": str(port.host_port)})
    return config


def container_config(spec: ContainerSpec) -> dict[str, Any]:
    """A container that joins its sandbox's namespaces."""
    sandbox = f"container:{spec.sandbox_id}"
    resources = spec.resources
    host: dict[str, Any] = {
        "NetworkMode": sandbox,
        "IpcMode": "host" if spec.host_ipc else sandbox,
        "CpuShares": resources.cpu_shares,
        "OomScoreAdj": resources.oom_score_adj,
        "LogConfig": {
            "Type": _LOG_DRIVER,
            "Config": {"max-size": str(spec.log_max_bytes), "max-file": str(spec.log_max_files)},
        },
        "RestartPolicy": {"Name": "no"},
        "Mounts": [
            {
                "Type": "bind",
                "Source": mount.source,
                "Target": mount.target,
                "ReadOnly": mount.read_only,
                **_bind_options(mount),
            }
            for mount in spec.mounts
        ],
        "Devices": [
            {"PathOnHost": host_path, "PathInContainer": path, "CgroupPermissions": permissions}
            for host_path, path, permissions in spec.devices
        ],
        **_security(spec.security),
    }
    if spec.device_requests:
        host["DeviceRequests"] = [
            {"Driver": one.driver, "DeviceIDs": list(one.ids), "Capabilities": [list(one.capabilities)]}
            for one in spec.device_requests
        ]
    if spec.runtime:
        host["Runtime"] = spec.runtime
    if spec.target_id:
        host["PidMode"] = f"container:{spec.target_id}"
    elif spec.host_pid:
        host["PidMode"] = "host"
    elif spec.share_process_namespace:
        host["PidMode"] = sandbox
    if resources.cpu_quota:
        host |= {"CpuQuota": resources.cpu_quota, "CpuPeriod": resources.cpu_period}
    if resources.memory:
        # Swap as large as memory means no swap: a limit is a limit.
        host |= {"Memory": resources.memory, "MemorySwap": resources.memory}
    if resources.pids:
        host["PidsLimit"] = resources.pids
    config: dict[str, Any] = {
        "Image": spec.image,
        "Labels": dict(spec.labels),
        "Env": list(spec.env),
        "Tty": spec.tty,
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin_once,
        # A pod's probes are the kubelet's, never the image's health check.
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": host,
    }
    if spec.command:
        config["Entrypoint"] = list(spec.command)
        # An entrypoint of one's own drops the image's command, as in Kubernetes.
        config["Cmd"] = list(spec.args)
    elif spec.args:
        config["Cmd"] = list(spec.args)
    if spec.working_dir:
        config["WorkingDir"] = spec.working_dir
    if spec.security.user:
        config["User"] = spec.security.user
    return config


def update_config(limits: ResourceLimits) -> dict[str, Any]:
    """The arguments of docker-py's update_container. Swap goes with memory, as at the start."""
    wanted = {
        "cpu_shares": limits.cpu_shares,
        "cpu_quota": limits.cpu_quota,
        "cpu_period": limits.cpu_period,
        "mem_limit": limits.memory,
        "memswap_limit": limits.memory,
    }
    return {name: value for name, value in wanted.items() if value}


def _bind_options(mount: Mount) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if mount.propagation != "rprivate":
        # rprivate is Docker's default too; said outright it is refused for a folder that holds the engine's own ("/").
        options["Propagation"] = mount.propagation
    if mount.read_only:
        # Docker makes what is mounted below read-only as well since 25.0; Kubernetes only where recursiveReadOnly asks for it.
        options["ReadOnlyNonRecursive"] = True
    return {"BindOptions": options} if options else {}


def _security(security: Security) -> dict[str, Any]:
    options: list[str] = []
    if security.no_new_privileges:
        options.append("no-new-privileges")
    if security.seccomp and security.seccomp != "runtime/default":
        options.append(f"seccomp={security.seccomp}")
    if security.app_armor:
        options.append(f"apparmor={security.app_armor}")
    options += [f"label={one}" for one in security.se_linux]
    host: dict[str, Any] = {"ReadonlyRootfs": security.read_only_root, "SecurityOpt": options}
    if security.privileged:
        host["Privileged"] = True
    if security.supplemental_groups:
        host["GroupAdd"] = [str(group) for group in security.supplemental_groups]
    if security.capabilities_add:
        host["CapAdd"] = list(security.capabilities_add)
    if security.capabilities_drop:
        host["CapDrop"] = list(security.capabilities_drop)
    if security.proc_mount == "Unmasked":
        host |= _UNMASKED
    return host
