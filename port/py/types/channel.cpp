#include "py/types/channel.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <structmember.h>

#include "py/conversion_state.hpp"
#include "py/types/channel_docs.hpp"
#include "py/types/channel_methods.hpp"
#include "store/channels.hpp"

namespace pyport::py {
namespace {

namespace docs = channel_docs;
namespace methods = channel_methods;
using methods::object_of;
using methods::store_of;
using store::Channel;

// Freeing so many bytes takes longer than handing the GIL over.
constexpr std::uint64_t kFreeWithoutGil = std::uint64_t{16} << 20;

// The content may die here, while the caller does not hold the GIL.
// NOLINTNEXTLINE(performance-unnecessary-value-param) -- taken over, so that it dies here
void let_go(std::shared_ptr<Channel> channel, store::Channels* registry) {
  if (registry != nullptr) registry->released(channel);
}

void channel_dealloc(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  ChannelObject& object = object_of(self);
  PyTypeObject* const type = Py_TYPE(self);
  // First: a callback of a weak reference may ask for the channel and then gets a new object.
  const bool is_known = !methods::is_test(*object.channel);
  if (is_known) conversions.channel_objects.erase(object.channel.get());
  if (object.weak_references != nullptr) PyObject_ClearWeakRefs(self);
  std::shared_ptr<Channel> channel;
  if (!in_forked_child()) {
    channel = std::move(object.channel);
    std::destroy_at(&object.channel);
    std::destroy_at(&object.test_sent);
  }
  type->tp_free(self);
  drop(reinterpret_cast<PyObject*>(type));
  // Its owner is never counted down: a mutex may be held by a thread that is not there.
  if (!channel) return;
  store::Channels* const registry = is_known ? conversions.channels : nullptr;
  if (channel->status().memory < kFreeWithoutGil) return let_go(std::move(channel), registry);
  const GilReleased released;
  let_go(std::move(channel), registry);
}

// What Channel(x) and ByteChannel(x) say to anything but a channel of their kind.
PyObject* refuse(PyTypeObject* type, PyObject* given) PYPORT_REQUIRES(gil) {
  const bool terms = type == conversions.channel_type;
  if (is_channel(given))
    PyErr_Format(PyExc_TypeError,
                 "%R is a channel of %s: use it as %s",
                 given,
                 terms ? "bytes" : "terms",
                 Py_TYPE(given)->tp_name);
  else if (Py_TYPE(given) == conversions.opaque.at(OpaqueKind::ref))
    PyErr_Format(PyExc_ValueError,
                 "the reference is no channel of this process: it was dropped, belongs to another "
                 "one, or is no channel at all; %s:new(#{context => Ctx}) makes one where the "
                 "context Ctx runs",
                 terms ? "py_channel" : "py_byte_channel");
  else
    PyErr_SetString(PyExc_TypeError, "expected channel reference");
  return nullptr;
}

PyObject* channel_new(PyTypeObject* type, PyObject* arguments, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  if (PyTuple_GET_SIZE(arguments) != 1 || (names != nullptr && PyDict_Size(names) != 0)) {
    PyErr_Format(PyExc_TypeError, "%s() takes exactly one argument, a channel", type->tp_name);
    return nullptr;
  }
  PyObject* const given = PyTuple_GET_ITEM(arguments, 0);
  return Py_TYPE(given) == type ? keep(given) : refuse(type, given);
}

PyObject* channel_repr(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  Channel& channel = store_of(self);
  const auto number = static_cast<unsigned long long>(channel.number());
  const char* const name = Py_TYPE(self)->tp_name;
  if (in_forked_child()) return PyUnicode_FromFormat("<%s %llu>", name, number);
  return PyUnicode_FromFormat("<%s %llu %s messages=%llu>",
                              name,
                              number,
                              channel.closed() ? "closed" : "open",
                              static_cast<unsigned long long>(channel.status().messages));
}

PyObject* close(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  if (!in_forked_child()) store_of(self).close();
  return keep(Py_None);
}

PyObject* enter(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  return keep(self);
}

PyObject* exit(PyObject* self, Vector /*values*/, Py_ssize_t /*count*/) noexcept
    PYPORT_REQUIRES(gil) {
  return close(self, nullptr);
}

PyObject* is_closed(PyObject* self, void* /*closure*/) noexcept PYPORT_REQUIRES(gil) {
  return methods::forked() ? nullptr : keep(store_of(self).closed() ? Py_True : Py_False);
}

constexpr int kTestCreate = METH_VARARGS | METH_KEYWORDS | METH_CLASS;

// What both types have.
const PyMethodDef shared_methods[] = {
    {"close", close, METH_NOARGS, docs::kClose},
    {"__enter__", enter, METH_NOARGS, docs::kEnter},
    {"__exit__", as_function(exit), METH_FASTCALL, docs::kExit},
    {"_try_receive_or", methods::try_receive_or, METH_O, docs::kTryReceiveOr},
    {"_add_waiter", as_function(methods::add_waiter), METH_FASTCALL, docs::kAddWaiter},
    {"_forget_waiter", as_function(methods::forget_waiter), METH_FASTCALL, docs::kForgetWaiter},
    {"_test_create", as_function(methods::test_create), kTestCreate, docs::kTestCreate},
    {"_test_put", methods::test_put, METH_O, docs::kTestPut},
    {"_test_end", methods::test_end, METH_NOARGS, docs::kTestEnd},
    {"_test_take", methods::test_take, METH_O, docs::kTestTake},
    {"_test_sent", methods::test_sent, METH_NOARGS, docs::kTestSent},
    {nullptr, nullptr, 0, nullptr},
};

// `own` and then shared_methods, with the end mark of a table.
template <std::size_t count>
[[nodiscard]] auto with_shared(const PyMethodDef (&own)[count]) {
  std::array<PyMethodDef, count + std::size(shared_methods)> table;
  std::copy(std::begin(shared_methods),
            std::end(shared_methods),
            std::ranges::copy(own, table.begin()).out);
  return table;
}

auto term_methods = with_shared({
    {"receive", as_function(methods::receive), kNamed, docs::kReceive},
    {"try_receive", methods::try_receive, METH_NOARGS, docs::kTryReceive},
    {"async_receive", methods::async_receive, METH_NOARGS, docs::kAsyncReceive},
    {"send", as_function(methods::send), kNamed, docs::kSend},
    {"try_send", methods::try_send, METH_O, docs::kTrySend},
});
auto byte_methods = with_shared({
    {"receive_bytes", as_function(methods::receive_bytes), kNamed, docs::kReceiveBytes},
    {"try_receive_bytes", methods::try_receive, METH_NOARGS, docs::kTryReceiveBytes},
    {"async_receive_bytes", methods::async_receive, METH_NOARGS, docs::kAsyncReceiveBytes},
    {"send_bytes", as_function(methods::send_bytes), kNamed, docs::kSendBytes},
});

PyGetSetDef attribute_table[] = {
    {"closed", is_closed, nullptr, docs::kClosed, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMemberDef member_table[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ChannelObject, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

// The slots of one of the types; static, as CPython wants them.
struct Slots {
  PyType_Slot slots[12];
  Slots(const char* doc, PyMethodDef* table) noexcept
      : slots{
            {Py_tp_doc, const_cast<char*>(doc)},
            {Py_tp_new, reinterpret_cast<void*>(channel_new)},
            {Py_tp_dealloc, reinterpret_cast<void*>(channel_dealloc)},
            {Py_tp_repr, reinterpret_cast<void*>(channel_repr)},
            {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
            {Py_tp_iternext, reinterpret_cast<void*>(methods::next_message)},
            {Py_tp_methods, table},
            {Py_tp_getset, attribute_table},
            {Py_tp_members, member_table},
            {Py_am_aiter, reinterpret_cast<void*>(PyObject_SelfIter)},
            {Py_am_anext, reinterpret_cast<void*>(methods::next_message_async)},
            {0, nullptr},
        } {}
};

constexpr unsigned kFlags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE;

Slots term_slots(docs::kChannel, term_methods.data());
PyType_Spec term_spec{"erlang.Channel", sizeof(ChannelObject), 0, kFlags, term_slots.slots};
Slots byte_slots(docs::kByteChannel, byte_methods.data());
PyType_Spec byte_spec{"erlang.ByteChannel", sizeof(ChannelObject), 0, kFlags, byte_slots.slots};

}  // namespace

PyType_Spec& channel_spec() noexcept {
  return term_spec;
}

PyType_Spec& byte_channel_spec() noexcept {
  return byte_spec;
}

bool is_channel(PyObject* object) noexcept {
  return Py_TYPE(object) == conversions.channel_type ||
         Py_TYPE(object) == conversions.byte_channel_type;
}

PyObject* make_channel(std::shared_ptr<Channel> channel) {
  PyTypeObject* const type =
      methods::is_terms(*channel) ? conversions.channel_type : conversions.byte_channel_type;
  PyObject* const self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  std::construct_at(&object_of(self).channel, std::move(channel));
  std::construct_at(&object_of(self).test_sent);
  return self;
}

PyObject* channel_of_reference(ByteView reference) {
  std::shared_ptr<Channel> channel = conversions.channels->find(reference);
  if (channel == nullptr) return nullptr;
  const auto known = conversions.channel_objects.find(channel.get());
  if (known != conversions.channel_objects.end()) return keep(known->second);
  PyObject* const made = make_channel(channel);
  if (made == nullptr) return nullptr;
  conversions.channel_objects.emplace(channel.get(), made);
  conversions.channels->held(channel);
  return made;
}

ByteView reference_of_channel(PyObject* object) {
  const ByteView reference = store_of(object).reference();
  if (reference.empty())
    PyErr_SetString(PyExc_TypeError, "a channel made by _test_create is unknown to Erlang");
  return reference;
}

}  // namespace pyport::py
