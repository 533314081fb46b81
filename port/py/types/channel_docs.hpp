// The docstrings of Channel and ByteChannel, signatures first, as inspect and help() read them.
#pragma once

namespace pyport::py::channel_docs {

inline constexpr const char* kChannel =
    "Channel(channel, /)\n--\n\n"
    "Messages from Erlang and to Erlang: a queue of terms in each direction.\n\n"
    "Erlang makes it by py_channel:new. Its reference becomes a Channel wherever it comes in (in\n"
    "arguments, locals or inside other terms), the same object each time, and goes back as that\n"
    "reference. Channel(channel) gives the channel itself; it raises ValueError for a reference\n"
    "that is no channel of this process, TypeError for anything else.\n\n"
    "Iterating gives messages until the channel is closed and its queue empty, `async for` too.\n"
    "`with` closes at the end. bool() is always True.\n\n"
    "What waits lets other threads run; an interrupt (timeout, cancel) ends it with\n"
    "KeyboardInterrupt, and takes and sends nothing, even if what it waits for comes together\n"
    "with the interrupt. A message that cannot become Python (a bitstring, for example) raises\n"
    "TypeError or ValueError where it is received; the next one is received by the next call.\n\n"
    "Any thread. Each message goes to one receiver; threads that wait get them in turn. Messages\n"
    "of one sender keep their order. In a child made by fork() all but close() raises OSError.";

inline constexpr const char* kByteChannel =
    "ByteChannel(channel, /)\n--\n\n"
    "Messages from Erlang and to Erlang as raw bytes: a queue in each direction.\n\n"
    "Erlang makes it by py_byte_channel:new. Boundaries are kept, and b'' is a message.\n"
    "Otherwise as Channel: the same object wherever the reference comes in; iteration,\n"
    "`async for`, `with`; any thread.";

inline constexpr const char* kReceive =
    "receive($self, /, timeout_ms=-1)\n--\n\n"
    "The next message, waiting for it at most `timeout_ms` milliseconds.\n\n"
    "-1 or None waits without limit, 0 does not wait. Raises TimeoutError (nothing came: nothing\n"
    "is lost either), ChannelClosed (closed, and everything was received), ValueError (timeout_ms\n"
    "below -1 or above 4294967295), and what a message that cannot become Python raises.";
inline constexpr const char* kReceiveBytes =
    "receive_bytes($self, /, timeout_ms=-1)\n--\n\n"
    "The next message, waiting for it at most `timeout_ms` milliseconds.\n\n"
    "-1 or None waits without limit, 0 does not wait. Raises TimeoutError (nothing came: nothing\n"
    "is lost either), ByteChannelClosed (closed, and everything was received), ValueError\n"
    "(timeout_ms below -1 or above 4294967295).";
inline constexpr const char* kTryReceive =
    "try_receive($self, /)\n--\n\n"
    "The next message, or None when there is none now.\n\n"
    "A message may be None itself: receive(0) tells the two apart. Raises ChannelClosed.";
inline constexpr const char* kTryReceiveBytes =
    "try_receive_bytes($self, /)\n--\n\n"
    "The next message, or None when there is none now. Raises ByteChannelClosed.";
inline constexpr const char* kAsyncReceive =
    "async_receive($self, /)\n--\n\n"
    "receive() for asyncio: waits without blocking the event loop, on any loop.\n\n"
    "None is a message like others. A task that is cancelled meanwhile has received nothing, and\n"
    "the message goes to another. Raises ChannelClosed.";
inline constexpr const char* kAsyncReceiveBytes =
    "async_receive_bytes($self, /)\n--\n\n"
    "receive_bytes() for asyncio: waits without blocking the event loop, on any loop.\n\n"
    "A task that is cancelled meanwhile has received nothing. Raises ByteChannelClosed.";
inline constexpr const char* kSend =
    "send($self, term, /, timeout_ms=-1)\n--\n\n"
    "Sends a term to Erlang, which takes it with py_channel:recv.\n\n"
    "Waits for room at most `timeout_ms` milliseconds (-1 or None: without limit, 0: not at all);\n"
    "it does not wait until Erlang has received. Threads get room in turn. Raises TimeoutError\n"
    "(no room), ChannelClosed, ValueError (larger than the max_size of the channel,\n"
    "channel_bytes_max, or one message may be), and what a term that has no form in Erlang\n"
    "raises; nothing is sent then.";
inline constexpr const char* kTrySend =
    "try_send($self, term, /)\n--\n\n"
    "True when the term was sent, False when there is no room now, or others wait for it.\n"
    "Otherwise as send().";
inline constexpr const char* kSendBytes =
    "send_bytes($self, data, /, timeout_ms=0)\n--\n\n"
    "Sends bytes, bytearray or memoryview to Erlang, which takes them with "
    "py_byte_channel:recv.\n\n"
    "Returns True. Without `timeout_ms` it does not wait for room, with it at most so many\n"
    "milliseconds (-1 or None: without limit). Raises RuntimeError (\"channel busy\n"
    "(backpressure)\": no room, or others wait for it; \"channel closed\"), TypeError (other\n"
    "types), ValueError (larger than the max_size of the channel, channel_bytes_max, or one\n"
    "message may be).";
inline constexpr const char* kClose =
    "close($self, /)\n--\n\n"
    "Closes the channel in both directions. Never raises, and may be called again.\n\n"
    "Erlang's sends get {error, closed} from then on; what was accepted before can still be\n"
    "received, here and in Erlang. What Python has not received when it lets go of the channel is\n"
    "discarded.";
inline constexpr const char* kEnter = "__enter__($self, /)\n--\n\nThe channel itself.";
inline constexpr const char* kExit = "__exit__($self, /, *exc)\n--\n\nCalls close().";
inline constexpr const char* kClosed =
    "Whether either side has closed the channel; there may be messages left to receive.";

inline constexpr const char* kTryReceiveOr =
    "_try_receive_or($self, otherwise, /)\n--\n\nThe next message; `otherwise` when there is none.";
inline constexpr const char* kAddWaiter =
    "_add_waiter($self, notifier, token, need, size, /)\n--\n\n"
    "The notifier gets the token once there is a message or the end; need and size are ignored.";
inline constexpr const char* kForgetWaiter =
    "_forget_waiter($self, notifier, token, /)\n--\n\n"
    "Takes _add_waiter back. If the token was given already another wait is told instead.";
inline constexpr const char* kTestCreate =
    "_test_create($type, /, max_size=0)\n--\n\nFor tests: a channel that Erlang does not know.";
inline constexpr const char* kTestPut =
    "_test_put($self, message, /)\n--\n\n"
    "For tests: Erlang sends these bytes, for a Channel an external term.";
inline constexpr const char* kTestEnd =
    "_test_end($self, /)\n--\n\nFor tests: Erlang sends no more.";
inline constexpr const char* kTestTake =
    "_test_take($self, up_to, /)\n--\n\nFor tests: Erlang has taken so many bytes in all.";
inline constexpr const char* kTestSent =
    "_test_sent($self, /)\n--\n\nFor tests: the messages sent to Erlang since the last call.";

}  // namespace pyport::py::channel_docs
