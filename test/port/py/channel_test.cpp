// erlang.Channel and erlang.ByteChannel where Erlang's references become channels and go back.
#include <doctest/doctest.h>

#include "../etf/hex.hpp"
#include "../etf/samples.hpp"
#include "py/conversion_state.hpp"
#include "python_scope.hpp"
#include "store/channels.hpp"
#include "sys/descriptors.hpp"

namespace {

using pyport::Bytes;
using pyport::ByteView;
using pyport::py::conversions;
using pyport::py::decode_term;
using pyport::py::PyRef;
using pyport::store::ChannelKind;
using pyport::test::hex;
using pyport::test::pending;
using pyport::test::PythonScope;
using pyport::test::repr;

struct Events final : pyport::store::ChannelEvents {
  void credit(std::uint64_t /*number*/, std::uint64_t taken) noexcept override { told = taken; }
  void closed(std::uint64_t /*number*/, bool by_python) noexcept override {
    ++(by_python ? closed_by_python : closed_by_erlang);
  }
  void forgotten(std::uint64_t /*number*/) noexcept override {}
  void want(std::uint64_t /*number*/) noexcept override {}
  void pressure(bool /*on*/) noexcept override {}

  std::uint64_t told = 0;
  int closed_by_python = 0;
  int closed_by_erlang = 0;
};

Bytes reference() {
  for (const auto& known : pyport::test::kSamples)
    if (std::string_view(known.name) == "NEWER_REFERENCE") return hex(known.hex);
  return {};
}

Bytes term_of(ByteView inner, std::string_view before = "", std::string_view after = "") {
  Bytes term = hex("83");
  pyport::put_bytes(term, hex(before));
  pyport::put_bytes(term, inner);
  pyport::put_bytes(term, hex(after));
  return term;
}

// A process with one channel, number 12, in which the integers 1 and 2 wait.
class WithChannels {
 public:
  explicit WithChannels(ChannelKind kind = ChannelKind::terms,
                        std::uint64_t bytes_max = std::uint64_t{1} << 20)
      PYPORT_REQUIRES(pyport::py::gil)
      : channels({.bytes_max = bytes_max}, events, dropped) {
    conversions.channels = &channels;
    REQUIRE(channels.create(12, reference(), {.kind = kind}).ok());
    const Bytes entries =
        hex("0000000c31000000000000000c836101"
            "0000000c31000000000000000c836102");
    channels.find(12)->append(entries, 2, nullptr);
  }
  ~WithChannels() { forget(); }
  WithChannels(const WithChannels&) = delete;
  WithChannels& operator=(const WithChannels&) = delete;

  Events events;
  pyport::store::Dropped dropped;
  pyport::store::Channels channels;

 private:
  static void forget() {
    pyport::py::gil.assert_held();
    conversions.channels = nullptr;
  }
};

std::string receive(PyObject* channel, const char* method = "receive")
    PYPORT_REQUIRES(pyport::py::gil) {
  const PyRef message = PyRef::steal(PyObject_CallMethod(channel, method, nullptr));
  return message ? repr(message.get()) : pending();
}

TEST_CASE("channel: a reference that stands for a channel is the same Channel wherever it comes") {
  const PythonScope python;
  const WithChannels process;
  const PyRef channel = decode_term(term_of(reference()));
  REQUIRE(static_cast<bool>(channel));
  CHECK(repr(channel.get()) == "<erlang.Channel 12 open messages=2>");
  const PyRef again = decode_term(term_of(reference()));
  CHECK(again.get() == channel.get());
  const PyRef list = decode_term(term_of(reference(), "6c00000001", "6a"));
  REQUIRE(static_cast<bool>(list));
  CHECK(PyList_GET_ITEM(list.get(), 0) == channel.get());
}

TEST_CASE("channel: one of bytes is a ByteChannel, whose messages are not decoded") {
  const PythonScope python;
  const WithChannels process(ChannelKind::bytes);
  const PyRef channel = decode_term(term_of(reference()));
  REQUIRE(static_cast<bool>(channel));
  CHECK(repr(channel.get()) == "<erlang.ByteChannel 12 open messages=2>");
  CHECK(receive(channel.get(), "receive_bytes") == "b'\\x83a\\x01'");
}

TEST_CASE("channel: it goes back as its reference, also when the BEAM has dropped it") {
  const PythonScope python;
  WithChannels process;
  const PyRef channel = decode_term(term_of(reference()));
  for (const bool dropped : {false, true}) {
    if (dropped) process.channels.drop(12);
    Bytes back;
    CHECK(pyport::py::encode_term(channel.get(), back));
    CHECK(back == term_of(reference()));
  }
}

TEST_CASE("channel: any other reference stays a Ref, with and without channels in the process") {
  const PythonScope python;
  const auto is_reference = []() PYPORT_REQUIRES(pyport::py::gil) {
    const PyRef object = decode_term(term_of(reference()));
    return repr(object.get()).starts_with("<erlang.Ref");
  };
  CHECK(is_reference());
  WithChannels process;
  CHECK(!is_reference());
  process.channels.drop(12);
  CHECK(is_reference());
}

TEST_CASE("channel: one that Python let go of goes on where it was") {
  const PythonScope python;
  const WithChannels process;
  {
    const PyRef first = decode_term(term_of(reference()));
    CHECK(receive(first.get()) == "1");
  }
  CHECK(conversions.channel_objects.empty());
  const PyRef second = decode_term(term_of(reference()));
  CHECK(receive(second.get()) == "2");
}

TEST_CASE("channel: Python reads one that the BEAM has dropped to its end") {
  const PythonScope python;
  WithChannels process;
  const PyRef channel = decode_term(term_of(reference()));
  process.channels.drop(12);
  CHECK(receive(channel.get()) == "1");
  CHECK(receive(channel.get()) == "2");
  CHECK(receive(channel.get()) == "ChannelClosed: Channel has been closed");
}

TEST_CASE("channel: a close of Python is told once, and what waits is still received") {
  const PythonScope python;
  const WithChannels process;
  const PyRef channel = decode_term(term_of(reference()));
  CHECK(receive(channel.get(), "close") == "None");
  CHECK(receive(channel.get(), "close") == "None");
  CHECK(process.events.closed_by_python == 1);
  CHECK(process.events.closed_by_erlang == 0);
  CHECK(receive(channel.get()) == "1");
}

TEST_CASE("channel: in a forked child its object ends without what it shares with the parent") {
  const PythonScope python;
  // A child has left it for ever; kept, so that the leak is none.
  static std::shared_ptr<pyport::store::Channel> shared;
  WithChannels process;
  shared = process.channels.find(12);
  {
    const PyRef channel = decode_term(term_of(reference()));
    process.channels.drop(12);
    CHECK(shared.use_count() == 2);
    pyport::forked_child.store(true);
  }
  pyport::forked_child.store(false);
  CHECK(shared.use_count() == 2);
  static_cast<void>(shared->try_take());
  static_cast<void>(shared->try_take());
}

TEST_CASE("channel: what is over the budget of all channels is refused by its name") {
  const PythonScope python;
  WithChannels process(ChannelKind::terms, 100);
  const PyRef channel = decode_term(term_of(reference()));
  const PyRef data = PyRef::steal(PyBytes_FromStringAndSize(nullptr, 40));
  CHECK(!PyRef::steal(PyObject_CallMethod(channel.get(), "send", "O", data.get())));
  CHECK(pending() ==
        "ValueError: a message of 46 bytes never fits into any channel: with what it costs "
        "besides, it exceeds channel_bytes_max, which is 100");
}

TEST_CASE("channel: one that Erlang does not know cannot be sent there") {
  const PythonScope python;
  for (const char* kind : {"Channel", "ByteChannel"}) {
    const PyRef channel = pyport::test::eval("_erlang." + std::string(kind) + "._test_create()");
    REQUIRE(static_cast<bool>(channel));
    Bytes out;
    CHECK(!pyport::py::encode_term(channel.get(), out));
    CHECK(out.empty());
    CHECK(pending() == "TypeError: a channel made by _test_create is unknown to Erlang");
  }
}

TEST_CASE("channel: without a link nothing is sent to a process") {
  const PythonScope python;
  const PyRef pid = decode_term(term_of(hex("5877016e000000010000000000000001")));
  REQUIRE(static_cast<bool>(pid));
  const PyRef module = PyRef::steal(PyImport_ImportModule("_erlang"));
  for (const char* function : {"send", "reply"}) {
    CHECK(!PyRef::steal(PyObject_CallMethod(module.get(), function, "Oi", pid.get(), 1)));
    CHECK(pending() == "RuntimeError: this interpreter has no link to Erlang");
  }
}

}  // namespace
