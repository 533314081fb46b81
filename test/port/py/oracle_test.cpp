// libei as the oracle: random terms that libei wrote become Python objects and are written again;
// libei must read the same value from both.
#include <random>
#include <string>

#include <doctest/doctest.h>
#include <ei.h>

#include "python_scope.hpp"

namespace {

using pyport::Bytes;
using pyport::ByteView;
using pyport::py::PyRef;
using pyport::test::pending;
using pyport::test::PythonScope;

class EiBuffer {
 public:
  EiBuffer() { ei_x_new_with_version(&x); }
  ~EiBuffer() { ei_x_free(&x); }
  EiBuffer(const EiBuffer&) = delete;
  EiBuffer& operator=(const EiBuffer&) = delete;
  EiBuffer(EiBuffer&&) = delete;
  EiBuffer& operator=(EiBuffer&&) = delete;
  [[nodiscard]] ByteView view() const {
    return pyport::as_bytes({x.buff, static_cast<std::size_t>(x.index)});
  }
  ei_x_buff x{};
};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  void term(ei_x_buff& x, int depth) {
    switch (below(depth > 0 ? 8 : 5)) {
      case 0:
        return integer(x);
      case 1:
        return static_cast<void>(ei_x_encode_double(&x, below(1000) / 7.0 - 50.0));
      case 2:
        return binary(x);
      case 3:
        return static_cast<void>(ei_x_encode_atom(&x, kAtoms[below(3)]));
      case 4:
        return static_cast<void>(ei_x_encode_empty_list(&x));
      case 5:
        return list(x, depth);
      case 6:
        return tuple(x, depth);
      default:
        return map(x, depth);
    }
  }

 private:
  static constexpr const char* kAtoms[] = {"true", "false", "none"};
  unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

  void integer(ei_x_buff& x) {
    const unsigned shift = below(64);
    if (below(2) == 0) {
      ei_x_encode_ulonglong(&x, random_() >> shift);
    } else {
      ei_x_encode_longlong(&x, static_cast<long long>(random_() >> shift));
    }
  }
  void binary(ei_x_buff& x) {
    std::string bytes;
    for (unsigned count = below(12); count > 0; --count)
      bytes.push_back(static_cast<char>(below(256)));
    ei_x_encode_binary(&x, bytes.data(), static_cast<int>(bytes.size()));
  }
  void list(ei_x_buff& x, int depth) {
    const unsigned count = 1 + below(5);
    ei_x_encode_list_header(&x, count);
    for (unsigned index = 0; index < count; ++index)
      term(x, depth - 1);
    ei_x_encode_empty_list(&x);
  }
  void tuple(ei_x_buff& x, int depth) {
    const unsigned arity = below(5);
    ei_x_encode_tuple_header(&x, arity);
    for (unsigned index = 0; index < arity; ++index)
      term(x, depth - 1);
  }
  void map(ei_x_buff& x, int depth) {
    const unsigned pairs = below(5);
    ei_x_encode_map_header(&x, pairs);
    for (unsigned key = 0; key < pairs; ++key) {
      const std::string name = "k" + std::to_string(key);
      ei_x_encode_binary(&x, name.data(), static_cast<int>(name.size()));
      term(x, depth - 1);
    }
  }

  std::mt19937_64 random_;
};

// What libei reads, as text; empty when it does not read to the end.
std::string printed(ByteView term) {
  int index = 0;
  int version = 0;
  char* text = nullptr;
  const char* bytes = pyport::as_chars(term).data();
  if (ei_decode_version(bytes, &index, &version) != 0) return "";
  const int count = ei_s_print_term(&text, bytes, &index);
  std::string result = count < 0 ? "" : text;
  std::free(text);
  return static_cast<std::size_t>(index) == term.size() ? result : "";
}

TEST_CASE("oracle: 2000 random terms written by libei are the same after a trip through Python") {
  const PythonScope python;
  for (unsigned seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    EiBuffer written;
    Generator(seed).term(written.x, 5);
    const PyRef object = pyport::py::decode_term(written.view());
    const std::string error = pending();
    REQUIRE_MESSAGE(static_cast<bool>(object), error);
    Bytes back;
    REQUIRE(pyport::py::encode_term(object.get(), back));
    const std::string expected = printed(written.view());
    REQUIRE_FALSE(expected.empty());
    CHECK(printed(back) == expected);
  }
}

}  // namespace
