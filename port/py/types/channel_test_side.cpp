// Channel and ByteChannel without Erlang, for tests, and Erlang's side of them.
#include <array>

#include "py/conversion_state.hpp"
#include "py/to_python_parts.hpp"
#include "py/types/channel_methods.hpp"
#include "store/channel_budget.hpp"

namespace pyport::py::channel_methods {
namespace {

constexpr std::uint64_t kTestBytesMax = std::uint64_t{256} << 20;

// Nobody is told: Erlang's side is the test.
class NoEvents final : public store::ChannelEvents {
 public:
  void credit(std::uint64_t /*number*/, std::uint64_t /*taken*/) noexcept override {}
  void closed(std::uint64_t /*number*/, bool /*by_python*/) noexcept override {}
  void forgotten(std::uint64_t /*number*/) noexcept override {}
  void want(std::uint64_t /*number*/) noexcept override {}
  void pressure(bool /*on*/) noexcept override {}
};

[[nodiscard]] std::shared_ptr<store::Channel> create(const store::ChannelOptions& options) {
  static NoEvents events;
  static store::ChannelBudget budget(kTestBytesMax, events);
  return std::make_shared<store::Channel>(0, options, budget, events);
}

// Refuses where there is no other side that could.
[[nodiscard]] bool is_for_tests(PyObject* self) PYPORT_REQUIRES(gil) {
  if (is_test(store_of(self))) return true;
  PyErr_SetString(PyExc_TypeError, "only for a channel made by _test_create");
  return false;
}

}  // namespace

PyObject* test_create(PyObject* type, PyObject* arguments, PyObject* names) noexcept
    PYPORT_REQUIRES(gil) {
  static std::array<char*, 2> keywords{const_cast<char*>("max_size"), nullptr};
  unsigned long long max_size = 0;
  if (PyArg_ParseTupleAndKeywords(arguments, names, "|K", keywords.data(), &max_size) == 0)
    return nullptr;
  const bool terms = type == reinterpret_cast<PyObject*>(conversions.channel_type);
  return make_channel(
      create({terms ? store::ChannelKind::terms : store::ChannelKind::bytes, max_size}));
}

PyObject* test_put(PyObject* self, PyObject* message) noexcept PYPORT_REQUIRES(gil) {
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (!is_for_tests(self) || PyBytes_AsStringAndSize(message, &data, &size) != 0) return nullptr;
  // As it stands in a batch.
  const ByteView content = as_bytes({data, static_cast<std::size_t>(size)});
  Bytes entry;
  put_u32(entry, static_cast<std::uint32_t>(store::kEntryHeadBytes - 4 + content.size()));
  put_u8(entry, 0);
  put_u64(entry, 0);
  put_bytes(entry, content);
  {
    store::Channel& channel = store_of(self);
    const GilReleased released;
    channel.append(entry, 1, nullptr);
  }
  return keep(Py_None);
}

PyObject* test_end(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  if (!is_for_tests(self)) return nullptr;
  store_of(self).end(store::kTotalNone);
  return keep(Py_None);
}

PyObject* test_take(PyObject* self, PyObject* up_to) noexcept PYPORT_REQUIRES(gil) {
  std::uint64_t taken = 0;
  if (!is_for_tests(self) || !to_unsigned(up_to, taken)) return nullptr;
  store_of(self).credit({taken, store::Channel::kAll.count});
  return keep(Py_None);
}

PyObject* test_sent(PyObject* self, PyObject* /*none*/) noexcept PYPORT_REQUIRES(gil) {
  if (!is_for_tests(self)) return nullptr;
  PyRef list = PyRef::steal(PyList_New(0));
  for (const Bytes& message : object_of(self).test_sent) {
    const PyRef bytes = PyRef::steal(bytes_to_python(message));
    if (!list || !bytes || PyList_Append(list.get(), bytes.get()) != 0) return nullptr;
  }
  object_of(self).test_sent.clear();
  return list.release();
}

}  // namespace pyport::py::channel_methods
