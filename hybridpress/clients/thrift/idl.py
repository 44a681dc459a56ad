"""Where a service comes from: an IDL file, or a class that was made from one before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hybridpress.errors import RequestError


def service_of(source: Any, name: str | None, near: Path | None) -> Any:
    """The thriftpy2 class of service *name* in the IDL file *source*; *source* itself if it is such a class.

    A relative path is taken from *near*, the folder of the scenario, then from the working directory. The name may be
    left out where the file has one service.

    Raises:
        RequestError: there is no such file or service, or the file is not lawful.
    """
    if hasattr(source, "thrift_services"):
        return source
    if hasattr(source, "__thrift_meta__"):
        module, shown = source, source.__name__
    elif isinstance(source, str | Path):
        module, shown = _loaded(Path(source), near), str(source)
    else:
        raise RequestError(f"a Thrift service is named by its IDL file or its class, got {source!r}")
    services = {service.__name__: service for service in module.__thrift_meta__["services"]}
    if name is None and len(services) == 1:
        return next(iter(services.values()))
    if name not in services:
        there = ", ".join(sorted(services)) or "no service"
        raise RequestError(f"{shown} has no service {name!r}" if name else f"say which service of {shown}", there)
    return services[name]


def _loaded(path: Path, near: Path | None) -> Any:
    import thriftpy2

    places = [path] if path.is_absolute() or near is None else [near / path, path]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise RequestError(f"there is no IDL file {path}", f"looked for {' and '.join(map(str, places))}")
    try:
        return thriftpy2.load(str(found.resolve()))
    except Exception as error:  # of the parser, in many kinds
        raise RequestError(f"{path} is not a lawful IDL file", str(error)) from error
