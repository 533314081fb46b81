#include "py/types/buffer.hpp"

#include <cstddef>
#include <structmember.h>

#include "py/conversion_state.hpp"
#include "py/types/buffer_docs.hpp"
#include "py/types/buffer_methods.hpp"
#include "store/buffers.hpp"
#include "sys/descriptors.hpp"

namespace pyport::py {
namespace {

namespace methods = buffer_methods;
using store::Buffer;

[[nodiscard]] BufferObject* object_of(PyObject* self) noexcept {
  return reinterpret_cast<BufferObject*>(self);
}

// Closing and unmapping a file of so many bytes takes longer than handing the GIL over.
constexpr std::uint64_t kCloseWithoutGil = std::uint64_t{16} << 20;

// The content may die here, while the caller does not hold the GIL.
// NOLINTNEXTLINE(performance-unnecessary-value-param) -- taken over, so that it dies here
void let_go(std::shared_ptr<Buffer> buffer, store::Buffers* registry) {
  if (registry != nullptr) registry->released(buffer);
}

void buffer_dealloc(PyObject* self) noexcept PYPORT_REQUIRES(gil) {
  BufferObject* const object = object_of(self);
  PyTypeObject* const type = Py_TYPE(self);
  // One without a reference is known to no registry. First: a callback of a weak reference may ask
  // for the buffer and then gets a new object.
  const bool is_known = !object->reader.store().reference().empty();
  if (is_known) conversions.buffer_objects.erase(&object->reader.store());
  if (!in_forked_child()) object->reader.settle();
  if (object->weak_references != nullptr) PyObject_ClearWeakRefs(self);
  std::shared_ptr<Buffer> buffer;
  if (!in_forked_child()) {
    buffer = object->reader.shared();
    std::destroy_at(&object->reader);
  }
  type->tp_free(self);
  drop(reinterpret_cast<PyObject*>(type));
  // Its owner is never counted down: a mutex may be held by a thread that is not there.
  if (!buffer) return;
  store::Buffers* const registry = is_known ? conversions.buffers : nullptr;
  if (buffer->usage().file_bytes < kCloseWithoutGil) return let_go(std::move(buffer), registry);
  const GilReleased released;
  let_go(std::move(buffer), registry);
}

// The unread bytes, pinned where they are until the view is released.
int get_buffer(PyObject* self, Py_buffer* view, int flags) noexcept PYPORT_REQUIRES(gil) {
  static const std::uint8_t nothing = 0;
  BufferReader& reader = methods::reader_of(self);
  view->obj = nullptr;
  if (in_forked_child()) {
    PyErr_SetString(PyExc_BufferError, "a PyBuffer cannot be viewed in a child made by fork()");
    return -1;
  }
  reader.settle();
  auto peeked = reader.store().peek(0);
  if (!peeked.ok()) {
    PyErr_SetString(PyExc_BufferError, peeked.error().detail.c_str());
    return -1;
  }
  auto pin = std::make_unique<Buffer::Pin>(std::move(peeked).value());
  const ByteView bytes = pin->bytes();
  auto* const at = const_cast<std::uint8_t*>(bytes.empty() ? &nothing : bytes.data());
  if (PyBuffer_FillInfo(view, self, at, static_cast<Py_ssize_t>(bytes.size()), 1, flags) != 0)
    return -1;
  view->internal = pin.release();
  return 0;
}

void release_buffer(PyObject* /*self*/, Py_buffer* view) noexcept {
  const std::unique_ptr<Buffer::Pin> pin(static_cast<Buffer::Pin*>(view->internal));
}

PyMethodDef method_table[] = {
    {"read", as_function(methods::read), METH_FASTCALL, docs::kRead},
    {"read1", as_function(methods::read1), METH_FASTCALL, docs::kRead1},
    {"readinto", methods::readinto, METH_O, docs::kReadInto},
    {"readinto1", methods::readinto, METH_O, docs::kReadInto1},
    {"peek", as_function(methods::peek), METH_FASTCALL, docs::kPeek},
    {"readline", as_function(methods::readline), kNamed, docs::kReadLine},
    {"readlines", as_function(methods::readlines), kNamed, docs::kReadLines},
    {"read_nonblock", as_function(methods::read_nonblock), kNamed, docs::kReadNonblock},
    {"readable_amount", methods::readable_amount, METH_NOARGS, docs::kReadableAmount},
    {"at_eof", methods::at_eof, METH_NOARGS, docs::kAtEof},
    {"tell", methods::tell, METH_NOARGS, docs::kTell},
    {"seek", as_function(methods::seek), METH_FASTCALL, docs::kSeek},
    {"find", as_function(methods::find), METH_FASTCALL, docs::kFind},
    {"aread", as_function(methods::aread), kNamed, docs::kAread},
    {"areadline", as_function(methods::areadline), kNamed, docs::kAreadLine},
    {"close", methods::close, METH_NOARGS, docs::kClose},
    {"readable", methods::always_true, METH_NOARGS, docs::kReadable},
    {"writable", methods::always_false, METH_NOARGS, docs::kWritable},
    {"seekable", methods::always_true, METH_NOARGS, docs::kSeekable},
    {"isatty", methods::always_false, METH_NOARGS, docs::kIsatty},
    {"flush", methods::flush, METH_NOARGS, docs::kFlush},
    {"fileno", methods::fileno, METH_NOARGS, docs::kFileno},
    {"detach", methods::detach, METH_NOARGS, docs::kDetach},
    {"write", methods::write, METH_O, docs::kWrite},
    {"writelines", methods::write, METH_O, docs::kWriteLines},
    {"truncate", as_function(methods::truncate), METH_FASTCALL, docs::kTruncate},
    {"__enter__", methods::enter, METH_NOARGS, docs::kEnter},
    {"__exit__", as_function(methods::exit), METH_FASTCALL, docs::kExit},
    {"_try_read", methods::try_read, METH_O, docs::kTryRead},
    {"_try_readline", methods::try_readline, METH_O, docs::kTryReadLine},
    {"_add_waiter", as_function(methods::add_waiter), METH_FASTCALL, docs::kAddWaiter},
    {"_forget_waiter", as_function(methods::forget_waiter), METH_FASTCALL, docs::kForgetWaiter},
    {"_test_create",
     as_function(methods::test_create),
     METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     docs::kTestCreate},
    {"_test_write", methods::test_write, METH_O, docs::kTestWrite},
    {"_test_end", as_function(methods::test_end), METH_FASTCALL, docs::kTestEnd},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef attribute_table[] = {
    {"closed", methods::is_closed, nullptr, docs::kClosed, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMemberDef member_table[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(BufferObject, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(docs::kBuffer)},
    {Py_tp_dealloc, reinterpret_cast<void*>(buffer_dealloc)},
    {Py_tp_repr, reinterpret_cast<void*>(methods::repr)},
    {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_tp_iternext, reinterpret_cast<void*>(methods::next_line)},
    {Py_tp_methods, method_table},
    {Py_tp_getset, attribute_table},
    {Py_tp_members, member_table},
    // Also before something has arrived.
    {Py_nb_bool, reinterpret_cast<void*>(always_true_slot)},
    {Py_mp_length, reinterpret_cast<void*>(methods::length)},
    {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
    {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
    {Py_am_aiter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_am_anext, reinterpret_cast<void*>(methods::next_line_async)},
    {0, nullptr},
};
PyType_Spec spec{"erlang.PyBuffer",
                 sizeof(BufferObject),
                 0,
                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
                 slots};

}  // namespace

PyType_Spec& buffer_spec() noexcept {
  return spec;
}

PyObject* make_buffer(std::shared_ptr<Buffer> buffer) {
  PyTypeObject* const type = conversions.buffer_type;
  PyObject* const self = type->tp_alloc(type, 0);
  if (self != nullptr) std::construct_at(&object_of(self)->reader, std::move(buffer));
  return self;
}

PyObject* buffer_of_reference(ByteView reference) {
  std::shared_ptr<Buffer> buffer = conversions.buffers->find(reference);
  if (buffer == nullptr) return nullptr;
  const auto known = conversions.buffer_objects.find(buffer.get());
  if (known != conversions.buffer_objects.end()) return keep(known->second);
  PyObject* const made = make_buffer(buffer);
  if (made == nullptr) return nullptr;
  conversions.buffer_objects.emplace(buffer.get(), made);
  conversions.buffers->held(buffer);
  return made;
}

ByteView reference_of_buffer(PyObject* object) {
  const ByteView reference = object_of(object)->reader.store().reference();
  if (reference.empty())
    PyErr_SetString(PyExc_TypeError, "a PyBuffer made by _test_create is unknown to Erlang");
  return reference;
}

}  // namespace pyport::py
