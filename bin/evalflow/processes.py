"""Processes that end with us: commands, the groups that they lead, and the signals that end us."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

from evalflow.errors import UserError

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_END_SECONDS = 10
_GUARD = 'read -r group && { read -r line; kill -s KILL -- "-$group"; }'
"""Kill a process group, whose number is on standard input, when standard input is closed."""


def die_with_parent(number: int) -> None:
    """Ask the kernel to send this process signal `number` when its parent ends, however it ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, number)


def ask_to_end(process: subprocess.Popen) -> None:
    """Send SIGTERM to a process that still runs and to the group that it leads."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except PermissionError:  # a setuid program that has not started its command yet
            pass


def end_process(process: subprocess.Popen) -> None:
    """End a process and the group that it leads, first politely, then by force."""
    ask_to_end(process)
    try:
        process.wait(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _dismiss(guard: subprocess.Popen) -> None:
    guard.kill()
    guard.wait()
    assert guard.stdin is not None  # a pipe
    guard.stdin.close()


@contextmanager
def _held_signals() -> Iterator[None]:
    """Hold signals that would end us until this block of steps is left."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _begin_command() -> None:
    """Prepare the child process that becomes a command."""
    die_with_parent(signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


@contextmanager
def running(command: list[str], **options) -> Iterator[subprocess.Popen]:
    """Start a command that ends with this block and with us, and so does its process group."""
    with ExitStack() as stack:
        with _held_signals():
            # The kernel ends only the command with us, and not even that if a setuid program
            # started it.
            guard = subprocess.Popen(
                ["sh", "-c", _GUARD],
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.callback(_dismiss, guard)
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_begin_command, **options
            )
            stack.callback(end_process, process)
            assert guard.stdin is not None  # a pipe
            guard.stdin.write(b"%d\n" % process.pid)
            guard.stdin.flush()
        yield process


def exit_status(status: int) -> int:
    """Return the status as a shell shows it: 128 + number for a process that a signal ended."""
    return status if status >= 0 else 128 - status


class Crashed(Exception):
    """A function that was called apart ended its process: a library's fault, or the memory's."""


Result = TypeVar("Result")


def call_apart(function: Callable[..., Result], *arguments: object) -> Result:
    """Return what a function returns in a process of its own, a copy of ours.

    Libraries in C end their process where they are at a loss: ours goes on.

    Raises
    ------
    Crashed
        Where the process ended without a result, by a signal or an error that nobody foresaw.
    UserError, OSError
        Where the function raised it.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    with receiver:
        process = context.Process(target=_answer, args=(sender, function, arguments))
        process.start()
        sender.close()
        try:
            result, error = receiver.recv()
        except EOFError:
            process.join()
            status = process.exitcode or 0
            how = signal.Signals(-status).name if status < 0 else f"status {status}"
            raise Crashed(how) from None
        process.join()
    if error is not None:
        raise error
    return result


def _answer(sender: Connection, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    die_with_parent(signal.SIGKILL)
    try:
        answer: tuple[object, Exception | None] = (function(*arguments), None)
    except (UserError, OSError) as error:
        answer = (None, error)
    sender.send(answer)


ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that end a script like an exit does: a time limit, Ctrl-C, a terminal that is closed."""
