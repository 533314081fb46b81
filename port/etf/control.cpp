#include "etf/control.hpp"

#include <array>
#include <string>

#include <ei.h>

#include "core/check.hpp"
#include "etf/cursor.hpp"

namespace pyport::etf {

namespace {

// A checked term under libei's reading position. The term was walked by skip_term, so libei finds
// every byte that it reaches for.
class EiReader {
 public:
  static Result<EiReader> open(ByteView term) {
    Cursor in(term);
    if (!in.take_version()) return Error{Errc::bad_term, "term has no version byte 131"};
    PYPORT_TRY([[maybe_unused]] const ByteView body, in.skip_term());
    if (in.remaining() != 0)
      return Error{Errc::bad_term, std::to_string(in.remaining()) + " bytes behind the term"};
    return EiReader(term);
  }

  [[nodiscard]] bool map(int& pairs) { return ei_decode_map_header(data(), &index_, &pairs) == 0; }
  [[nodiscard]] bool tuple(int& arity) {
    return ei_decode_tuple_header(data(), &index_, &arity) == 0;
  }
  [[nodiscard]] bool natural(std::uint64_t& value) {
    unsigned long long found = 0;
    if (ei_decode_ulonglong(data(), &index_, &found) != 0) return false;
    value = found;
    return true;
  }
  [[nodiscard]] bool atom(std::string& name) {
    std::array<char, MAXATOMLEN_UTF8> text{};
    if (ei_decode_atom_as(
            data(), &index_, text.data(), MAXATOMLEN_UTF8, ERLANG_UTF8, nullptr, nullptr) != 0)
      return false;
    name = text.data();
    return true;
  }
  [[nodiscard]] bool skip() { return ei_skip_term(data(), &index_) == 0; }

 private:
  explicit EiReader(ByteView term) noexcept : term_(term) {}
  [[nodiscard]] const char* data() const noexcept { return as_chars(term_).data(); }

  ByteView term_;
  int index_ = 1;  // behind the version byte
};

[[nodiscard]] Error bad(std::string why) {
  return {Errc::bad_term, std::move(why)};
}

[[nodiscard]] Result<std::uint32_t> take_context(EiReader& in) {
  std::uint64_t number = 0;
  if (!in.natural(number) || number > UINT32_MAX)
    return bad("context must be an integer from 0 to 4294967295");
  return static_cast<std::uint32_t>(number);
}

[[nodiscard]] bool take_kill_after(EiReader& in, ContextOpen& open) {
  std::uint64_t value = 0;
  std::string name;
  open.kill_after_given = true;
  if (in.natural(value)) {
    open.kill_after_ms = value;
    return true;
  }
  return in.atom(name) && name == "infinity";
}

}  // namespace

Result<std::uint32_t> read_hello(ByteView term) {
  constexpr const char* kForm = "HELLO must be #{protocol := Version}";
  PYPORT_TRY(EiReader in, EiReader::open(term));
  int pairs = 0;
  std::uint64_t protocol = 0;
  bool found = false;
  if (!in.map(pairs)) return bad(kForm);
  for (int pair = 0; pair < pairs; ++pair) {
    std::string key;
    if (!in.atom(key)) return bad(kForm);
    if (key != "protocol") {
      if (!in.skip()) return bad(kForm);
      continue;
    }
    if (!in.natural(protocol) || protocol > UINT32_MAX)
      return bad("protocol must be an integer from 0 to 4294967295");
    found = true;
  }
  if (!found) return bad(kForm);
  return static_cast<std::uint32_t>(protocol);
}

Result<ContextOpen> read_context_open(ByteView term) {
  constexpr const char* kForm = "CONTEXT_OPEN must be {Context, #{kill_after => Ms | infinity}}";
  PYPORT_TRY(EiReader in, EiReader::open(term));
  int arity = 0;
  int pairs = 0;
  if (!in.tuple(arity) || arity != 2) return bad(kForm);
  ContextOpen open;
  PYPORT_TRY(open.context, take_context(in));
  if (!in.map(pairs)) return bad(kForm);
  for (int pair = 0; pair < pairs; ++pair) {
    std::string key;
    if (!in.atom(key)) return bad(kForm);
    if (key != "kill_after") return bad("unknown option " + key + "; " + kForm);
    if (!take_kill_after(in, open))
      return bad("kill_after must be a number of milliseconds or infinity");
  }
  return open;
}

Result<std::uint32_t> read_context(ByteView term) {
  PYPORT_TRY(EiReader in, EiReader::open(term));
  return take_context(in);
}

Result<std::uint64_t> read_natural(ByteView term) {
  PYPORT_TRY(EiReader in, EiReader::open(term));
  std::uint64_t number = 0;
  if (!in.natural(number)) return bad("expected an integer from 0 to 18446744073709551615");
  return number;
}

struct ControlWriter::Buffer {
  Buffer() { PYPORT_CHECK(ei_x_new_with_version(&x) == 0); }
  ~Buffer() { ei_x_free(&x); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  Buffer(Buffer&&) = delete;
  Buffer& operator=(Buffer&&) = delete;
  ei_x_buff x{};
};

// libei fails only when memory is out, and then we abort.
ControlWriter::ControlWriter() : buffer_(std::make_unique<Buffer>()) {}
ControlWriter::~ControlWriter() = default;

ControlWriter& ControlWriter::map(std::uint32_t pairs) {
  PYPORT_CHECK(ei_x_encode_map_header(&buffer_->x, static_cast<long>(pairs)) == 0, pairs);
  return *this;
}
ControlWriter& ControlWriter::tuple(std::uint32_t arity) {
  PYPORT_CHECK(ei_x_encode_tuple_header(&buffer_->x, static_cast<long>(arity)) == 0, arity);
  return *this;
}
ControlWriter& ControlWriter::atom(std::string_view name) {
  const int count = static_cast<int>(name.size());
  PYPORT_CHECK(
      ei_x_encode_atom_len_as(&buffer_->x, name.data(), count, ERLANG_UTF8, ERLANG_UTF8) == 0,
      name);
  return *this;
}
ControlWriter& ControlWriter::binary(std::string_view bytes) {
  PYPORT_CHECK(bytes.size() <= INT32_MAX, bytes.size());
  PYPORT_CHECK(ei_x_encode_binary(&buffer_->x, bytes.data(), static_cast<int>(bytes.size())) == 0);
  return *this;
}
ControlWriter& ControlWriter::integer(std::uint64_t value) {
  PYPORT_CHECK(ei_x_encode_ulonglong(&buffer_->x, value) == 0, value);
  return *this;
}

Bytes ControlWriter::bytes() const {
  const ByteView view = as_bytes({buffer_->x.buff, static_cast<std::size_t>(buffer_->x.index)});
  return {view.begin(), view.end()};
}

}  // namespace pyport::etf
