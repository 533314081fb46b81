// erlang.Channel and erlang.ByteChannel: what a py_channel and a py_byte_channel of Erlang are in
// Python (docs/channels.md). One object for each channel while Python holds it, so that it is the
// same wherever the reference comes in. The two differ in what a message is, and in their names.
#pragma once

#include <memory>
#include <vector>

#include "core/bytes.hpp"
#include "py/ref.hpp"
#include "store/channel.hpp"

namespace pyport::py {

struct ChannelObject {
  PyObject head;
  PyObject* weak_references;
  // Owners: this object and the registry; a wait of an interruptible thread.
  std::shared_ptr<store::Channel> channel;
  std::vector<Bytes> test_sent;  // by one that Erlang does not know
};

[[nodiscard]] PyType_Spec& channel_spec() noexcept;
[[nodiscard]] PyType_Spec& byte_channel_spec() noexcept;

[[nodiscard]] bool is_channel(PyObject* object) noexcept PYPORT_REQUIRES(gil);

// The channel of an Erlang reference (its external term, no version byte): a new reference. Null
// without an exception: it stands for no channel. REQUIRES: conversions.channels.
[[nodiscard]] PyObject* channel_of_reference(ByteView reference) PYPORT_REQUIRES(gil);

// Its reference, without the version byte. Empty with a TypeError set: Erlang does not know it.
// REQUIRES: is_channel().
[[nodiscard]] ByteView reference_of_channel(PyObject* object) PYPORT_REQUIRES(gil);

// A new object around a channel, of the type that its kind has.
[[nodiscard]] PyObject* make_channel(std::shared_ptr<store::Channel> channel) PYPORT_REQUIRES(gil);

}  // namespace pyport::py
