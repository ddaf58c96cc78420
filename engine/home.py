"""Where everything that outlives a process is kept: the lab's home and the folders of its runs."""

import os
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = "GROKKING_LAB_HOME"
DEFAULT = Path(__file__).parents[1] / ".lab"
"""Of the checkout: wherever a script or a page's server is started, it is the same lab."""
PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run; who writes which is said in docs/architecture.md."""

    path: Path

    @property
    def lock(self) -> Path:
        """Held by the worker that trains the run: the only sign of life."""
        return self.path / "lock"

    @property
    def config(self) -> Path:
        """The run's `RunConfig`."""
        return self.path / "config.json"

    @property
    def launch(self) -> Path:
        """Which attempt this is and the checkpoint that it starts from."""
        return self.path / "launch.json"

    @property
    def proc(self) -> Path:
        """Who the worker process is, for signals only."""
        return self.path / "proc.json"

    @property
    def control(self) -> Path:
        """The last command to the worker."""
        return self.path / "control.json"

    @property
    def status(self) -> Path:
        """The worker's heartbeat, rewritten in place."""
        return self.path / "status.json"

    @property
    def log(self) -> Path:
        """What the worker process wrote to stderr."""
        return self.path / "worker.log"

    @property
    def checkpoints(self) -> Path:
        """Weights, optimiser state and random state by step."""
        return self.path / "checkpoints"

    @property
    def snapshots(self) -> Path:
        """Attention patterns and the like, by kind and step."""
        return self.path / "snapshots"

    def journal(self, attempt: int) -> Path:
        """The journal of one attempt; attempts count from 1."""
        return self.path / f"journal-{attempt:04d}.jsonl"

    def last_attempt(self) -> int:
        """The highest attempt that has a journal, 0 when none has."""
        return max((int(file.stem[8:]) for file in self.path.glob("journal-*.jsonl")), default=0)

    def create(self) -> "RunFolder":
        """Make the folder and those inside it; existing ones are left alone."""
        for folder in (self.path, self.checkpoints, self.snapshots):
            folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        return self


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one lab, readable by its user alone."""

    path: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """`$GROKKING_LAB_HOME`, or `.lab` in the checkout."""
        return cls(Path(os.environ.get(ENVIRONMENT) or DEFAULT).expanduser().absolute())

    @property
    def daemon_lock(self) -> Path:
        """Held by the one daemon of this home."""
        return self.path / "daemon.lock"

    @property
    def daemon_info(self) -> Path:
        """Where the daemon listens and who it is."""
        return self.path / "daemon.json"

    @property
    def daemon_log(self) -> Path:
        """What the daemon wrote to stderr."""
        return self.path / "daemon.log"

    @property
    def socket(self) -> Path:
        """The daemon's unix socket."""
        return self.path / "daemon.sock"

    @property
    def token(self) -> Path:
        """What clients on other machines must show."""
        return self.path / "token"

    @property
    def database(self) -> Path:
        """The DuckDB file, opened by the daemon alone."""
        return self.path / "lab.duckdb"

    @property
    def runs(self) -> Path:
        """The folder that holds one folder for each run."""
        return self.path / "runs"

    @property
    def limits(self) -> Path:
        """How many runs of a shape fit in one program, where that was learnt the hard way."""
        return self.path / "limits.json"

    @property
    def idle_cores(self) -> Path:
        """Which worker is lent how many cores that nobody else needs."""
        return self.path / "idle-cores.json"

    @property
    def uploads(self) -> Path:
        """The user's own data, one file for each content; see `data.uploads.shelf`."""
        return self.path / "uploads"

    @property
    def cache(self) -> Path:
        """Compiled steps, which torch finds again, and which of them are there; may be deleted."""
        return self.path / "cache"

    def run(self, run_id: int) -> RunFolder:
        """The folder of a run; a number, so that no name can become a path."""
        return RunFolder(self.runs / str(int(run_id)))

    def create(self) -> "Home":
        """Make the home with mode 0700; one that exists is closed to others too."""
        self.path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        self.path.chmod(PRIVATE)
        for folder in (self.runs, self.cache):
            folder.mkdir(mode=PRIVATE, exist_ok=True)
        return self


def unusable(home: Home, error: OSError) -> str:
    """That a home cannot be used, why, and the way out, in one sentence."""
    is_file = home.path.exists() and not home.path.is_dir()
    place = "" if error.filename in (None, str(home.path)) else f": {error.filename}"
    why = "it is a file, not a folder" if is_file else f"{error.strerror}{place}"
    way_out = f"set {ENVIRONMENT} to a folder of your own"
    return f"the lab's home {home.path} cannot be used: {why}; {way_out}"


def atomic_write(path: Path, content: bytes) -> None:
    """Replace a file so that a reader, or a crash at any moment, sees the old or the new whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make renames inside a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
