// The docstrings of PyBuffer, signatures first, as inspect and help() read them.
#pragma once

namespace pyport::py::docs {

inline constexpr const char* kBuffer =
    "A stream of bytes that Erlang writes with py_buffer and Python reads as a file.\n\n"
    "Comes from Erlang only: a py_buffer reference in arguments, locals or inside other terms, "
    "and\n"
    "goes back as that reference. It is an io.BufferedIOBase and fits wherever a binary file that\n"
    "is read is expected; iterating gives lines, `async for` too. bool() is always True, len() "
    "the\n"
    "number of unread bytes. memoryview(buffer) shows the unread bytes without copying them; they\n"
    "stay valid while Erlang goes on writing.\n\n"
    "A read that has to wait lets other threads run; an interrupt (timeout, cancel) ends it with\n"
    "KeyboardInterrupt. A content that was cut off never looks complete: reads raise OSError, "
    "with\n"
    "errno EPIPE (the writer died, or stopped before the announced length), ENOSPC (no space for\n"
    "the temporary file) or EFBIG (more than announced or allowed was written).\n\n"
    "Any thread; threads that read the same buffer share its position.";

inline constexpr const char* kRead =
    "read($self, size=-1, /)\n--\n\n"
    "Up to `size` bytes: what is there, after at least one byte; b'' at the end of the content.\n\n"
    "With -1 or None waits for the end (or the announced length) and returns all unread bytes.\n"
    "Raises OSError where a content that was cut off ends; with -1 at once, and then nothing is\n"
    "consumed.";
inline constexpr const char* kRead1 =
    "read1($self, size=-1, /)\n--\n\n"
    "As read(size), but -1 or None means all that is there, not all that will come.";
inline constexpr const char* kReadInto =
    "readinto($self, buffer, /)\n--\n\n"
    "Reads into a writable bytes-like object: what is there, after at least one byte.\n\n"
    "Returns the number of bytes, 0 at the end. Raises OSError where a cut off content ends.";
inline constexpr const char* kReadInto1 =
    "readinto1($self, buffer, /)\n--\n\nThe same as readinto(buffer).";
inline constexpr const char* kPeek =
    "peek($self, size=-1, /)\n--\n\n"
    "The next bytes without moving: up to `size` of what is there (0, -1 or None: all of it),\n"
    "after at least one byte; b'' at the end.";
inline constexpr const char* kReadLine =
    "readline($self, /, size=-1)\n--\n\n"
    "One line with its b'\\n', waiting for it; the last one may have none; b'' at the end.\n\n"
    "At most `size` bytes if that is positive; 0, -1 and None are no limit. Raises OSError where "
    "a\n"
    "cut off content ends, after giving what is there.";
inline constexpr const char* kReadLines =
    "readlines($self, /, hint=-1)\n--\n\n"
    "A list of lines up to the end, or until they have `hint` bytes together if that is positive.";
inline constexpr const char* kReadNonblock =
    "read_nonblock($self, /, size=-1)\n--\n\n"
    "Up to `size` bytes of what is there (-1 or None: all of it) without waiting; b'' when "
    "nothing\n"
    "is. Raises OSError when nothing is left of a content that was cut off.";
inline constexpr const char* kReadableAmount =
    "readable_amount($self, /)\n--\n\nThe number of bytes that can be read without waiting.";
inline constexpr const char* kAtEof =
    "at_eof($self, /)\n--\n\n"
    "True when everything was read and no more comes.\n\n"
    "Raises OSError when nothing is left of a content that was cut off: it has no proper end.";
inline constexpr const char* kTell =
    "tell($self, /)\n--\n\n"
    "The position of the next byte, counted from the first one ever written.";
inline constexpr const char* kSeek =
    "seek($self, offset, whence=0, /)\n--\n\n"
    "Moves within what was written and is kept; returns where it is then, in bytes.\n\n"
    "`whence` 0 counts from the start, 1 from the position, 2 from the end, which must be known.\n"
    "Raises ValueError: outside of what was written, or what is there was read and dropped; a\n"
    "buffer made with retain => all, or with an announced length, keeps everything.";
inline constexpr const char* kFind =
    "find($self, sub, start=None, end=None, /)\n--\n\n"
    "Where `sub` (bytes-like, or one byte as an int) begins in the unread bytes that are there,\n"
    "counted from the position; -1 when it is not. `start` and `end` as for bytes.find. Does not\n"
    "wait. Raises TypeError for a str.";
inline constexpr const char* kAread =
    "aread($self, /, size=-1)\n--\n\n"
    "read(size) for asyncio: waits without blocking the event loop.\n\n"
    "A task that is cancelled meanwhile has consumed nothing.";
inline constexpr const char* kAreadLine =
    "areadline($self, /, size=-1)\n--\n\n"
    "readline(size) for asyncio: waits without blocking the event loop.\n\n"
    "A task that is cancelled meanwhile has consumed nothing.";
inline constexpr const char* kClose =
    "close($self, /)\n--\n\n"
    "No more is wanted: the writer gets {error, closed} from now on.\n\n"
    "What was buffered stays readable, then reads return b''. May be called again.";
inline constexpr const char* kReadable = "readable($self, /)\n--\n\nTrue.";
inline constexpr const char* kWritable = "writable($self, /)\n--\n\nFalse: Erlang writes.";
inline constexpr const char* kSeekable =
    "seekable($self, /)\n--\n\nTrue: within what is kept, see seek().";
inline constexpr const char* kIsatty = "isatty($self, /)\n--\n\nFalse.";
inline constexpr const char* kFlush = "flush($self, /)\n--\n\nDoes nothing.";
inline constexpr const char* kFileno =
    "fileno($self, /)\n--\n\nRaises io.UnsupportedOperation: there is no descriptor.";
inline constexpr const char* kDetach =
    "detach($self, /)\n--\n\nRaises io.UnsupportedOperation: there is no raw stream.";
inline constexpr const char* kWrite =
    "write($self, data, /)\n--\n\nRaises io.UnsupportedOperation: Erlang writes.";
inline constexpr const char* kWriteLines =
    "writelines($self, lines, /)\n--\n\nRaises io.UnsupportedOperation: Erlang writes.";
inline constexpr const char* kTruncate =
    "truncate($self, size=None, /)\n--\n\nRaises io.UnsupportedOperation: Erlang writes.";
inline constexpr const char* kEnter = "__enter__($self, /)\n--\n\nThe buffer itself.";
inline constexpr const char* kExit = "__exit__($self, /, *exc)\n--\n\nCalls close().";
inline constexpr const char* kClosed =
    "Whether Python closed the buffer; that Erlang closed it shows in at_eof().";

inline constexpr const char* kTryRead =
    "_try_read($self, size, /)\n--\n\nread(size), or None where that would wait.";
inline constexpr const char* kTryReadLine =
    "_try_readline($self, size, /)\n--\n\nreadline(size), or None where that would wait.";
inline constexpr const char* kAddWaiter =
    "_add_waiter($self, notifier, token, need, size, /)\n--\n\n"
    "The notifier gets the token once a read would not wait: need 0 some bytes, 1 a line of at\n"
    "most `size` bytes (0: any), 2 the end.";
inline constexpr const char* kForgetWaiter =
    "_forget_waiter($self, notifier, token, /)\n--\n\nTakes _add_waiter back.";
inline constexpr const char* kTestCreate =
    "_test_create($type, data, content_length=None, *, overflow_threshold=1048576,\n"
    "             window=2097152)\n--\n\n"
    "For tests: a buffer that Erlang does not know and that holds `data` already.\n\n"
    "Its announced length is len(data) unless given; None or -1: it has none. The other two are\n"
    "numbers of bytes.";
inline constexpr const char* kTestWrite =
    "_test_write($self, data, /)\n--\n\nFor tests: what py_buffer:write does.";
inline constexpr const char* kTestEnd =
    "_test_end($self, died=False, /)\n--\n\n"
    "For tests: what py_buffer:close, or the death of the writer, does.";

}  // namespace pyport::py::docs
