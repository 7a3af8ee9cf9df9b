"""Makes .venv from requirements.lock; every make target comes through here first (50 ms when nothing is to be done).

Standard library only, and it must also start on an old Python, which is then told to be too old.
"""

import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
LOCK = os.path.join(ROOT, "requirements.lock")
STAMP = os.path.join(VENV, "installed")
LOG = os.path.join(VENV, "pip.log")
NEEDED_GIB = 3

DEAD_DOWNLOAD = "A download failed: check the network (or pip's proxy and index settings) and run make again."
DISK_FULL = "No space left on device"
CAUSES = (  # what the installer writes when it fails, and what to tell the person
    ([DISK_FULL], "The disk is full: free {} GiB and run make again.".format(NEEDED_GIB)),
    (
        ["DO NOT MATCH THE HASHES"],
        "A download is not the file that requirements.lock names (broken, or tampered with): "
        "run `pip cache purge` and then make again.",
    ),
    (["after connection broken", "Could not fetch URL", "(from versions: none)"], DEAD_DOWNLOAD),
    (
        ["No matching distribution"],
        "The package index does not offer a package of requirements.lock for this machine: "
        "try another Python (`make PYTHON=python3.12 ...`) or another index.",
    ),
    ([""], DEAD_DOWNLOAD),
)


def fail(sentence):
    sys.stderr.write("comeback: " + sentence + "\n")
    sys.exit(2)


def main():
    check_python()
    stamp = expected_stamp()
    if read(STAMP) == stamp:
        return
    check_venv_module()
    check_disk()
    try:
        make_venv()
        install()
        write_command()
        write(STAMP, stamp)
    except OSError as error:
        fail("Cannot write to {}: {}.".format(VENV, error.strerror or error))
    except KeyboardInterrupt:
        fail("Interrupted while installing; run make again to go on.")


def check_python():
    if sys.version_info < (3, 11):
        fail(
            "Python 3.11 or newer is needed and {} is {}.{}: install one and run `make PYTHON=python3.11 ...`.".format(
                sys.executable, *sys.version_info[:2]
            )
        )


def check_venv_module():
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        fail("This Python has no venv module: install it (Debian: `apt install python3-venv`) and run make again.")


def check_disk():
    free = shutil.disk_usage(ROOT).free / 1024**3
    if free < NEEDED_GIB:
        fail(
            "{:.1f} GiB are free on the disk of {} and {} are needed: free some space and run make again.".format(
                free, ROOT, NEEDED_GIB
            )
        )


def expected_stamp():
    """What the installation depends on: the lock, this script, the interpreter, and where the folder is."""
    inputs = hashlib.sha256()
    for path in (LOCK, __file__):
        with open(path, "rb") as file:
            inputs.update(file.read())
    return "\n".join([inputs.hexdigest(), sys.version.split()[0], sys.base_prefix, ROOT])


def make_venv():
    """A new one unless the one that is there is of the same interpreter and place, and runs."""
    known = (read(STAMP) or "").split("\n")[1:]
    if known == expected_stamp().split("\n")[1:] and run(python(), "-m", "pip", "--version") is None:
        return
    interpreter = getattr(sys, "_base_executable", sys.executable)  # not the one that --clear deletes
    explain(run(interpreter, "-m", "venv", "--clear", VENV))


def install():
    sys.stderr.write("Installing what requirements.lock names (a minute the first time) ...\n")
    options = "--require-hashes --only-binary :all: --progress-bar off --disable-pip-version-check --no-input"
    explain(run(python(), "-m", "pip", "install", "-r", LOCK, *options.split()))


def explain(said):
    """Nothing if nothing went wrong; else one sentence, and the program's own words in a file."""
    if said is None:
        return
    if shutil.disk_usage(ROOT).free < 50 * 1024**2:
        said += "\n" + DISK_FULL  # venv hides why it failed
    sentence = next(answer for words, answer in CAUSES if any(word in said for word in words))
    try:
        write(LOG, said)
        sentence += " The installer's own words: " + LOG
    except OSError:
        pass  # the disk is full, which is what the sentence says
    fail(sentence)


def write_command():
    """The project itself: its folder on the path, and bin/comeback. No build, so nothing more to download."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.check_output([python(), "-c", code]).decode().strip()
    write(os.path.join(packages, "comeback.pth"), ROOT + "\n")
    command = os.path.join(VENV, "bin", "comeback")
    write(command, '#!/bin/sh\nexec "{}" -P -m tools.main "$@"\n'.format(python()))
    os.chmod(command, 0o755)


def python():
    return os.path.join(VENV, "bin", "python")


def run(*command):
    """None when it went well, else what it said."""
    try:
        subprocess.check_output(command, stderr=subprocess.STDOUT)
    except subprocess.CalledProcessError as error:
        return error.output.decode(errors="replace")
    except OSError as error:
        return str(error)
    return None


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return None


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
