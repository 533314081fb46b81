#include "etf/cursor.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <string>

#include "core/limits.hpp"

namespace pyport::etf {

namespace {

constexpr std::size_t kAtomBytesMax = limits::kAtomCharsMax * 4;
constexpr std::uint16_t kReferenceWordsMax = 5;

// What one step of the walk found: `children` terms follow. A fun also says where it must end.
struct Step {
  std::uint64_t children = 0;
  std::size_t end_offset = 0;  // 0: nothing is claimed
};

enum class Verdict { ok, truncated, bad_tag, bad_term };

[[nodiscard]] bool skip(Cursor& in, std::size_t count) noexcept {
  ByteView ignored;
  return in.take_bytes(count, ignored);
}

// The node name (an atom), then `count` bytes: the body of pids, ports and references.
[[nodiscard]] Verdict skip_node_and(Cursor& in, std::size_t count) noexcept {
  Atom node;
  if (!in.take_atom(node)) return Verdict::bad_term;
  return skip(in, count) ? Verdict::ok : Verdict::truncated;
}

// A count of the given width. A separate step, never an argument beside its own result: the order
// in which arguments are evaluated is not specified.
template <class Width>
[[nodiscard]] bool take_count(Cursor& in, std::uint64_t& count) noexcept {
  Width found = 0;
  bool ok = false;
  if constexpr (sizeof(Width) == 1) ok = in.take_u8(found);
  if constexpr (sizeof(Width) == 2) ok = in.take_u16(found);
  if constexpr (sizeof(Width) == 4) ok = in.take_u32(found);
  count = found;
  return ok;
}

[[nodiscard]] Verdict skip_fixed(Cursor& in, std::size_t count) noexcept {
  return skip(in, count) ? Verdict::ok : Verdict::truncated;
}

template <class Width>
[[nodiscard]] Verdict skip_counted(Cursor& in) noexcept {
  std::uint64_t count = 0;
  return take_count<Width>(in, count) ? skip_fixed(in, count) : Verdict::truncated;
}

template <class Width>
[[nodiscard]] Verdict skip_big(Cursor& in) noexcept {
  std::uint64_t count = 0;
  std::uint8_t sign = 0;
  if (!take_count<Width>(in, count) || !in.take_u8(sign)) return Verdict::truncated;
  return sign > 1 ? Verdict::bad_term : skip_fixed(in, count);
}

// Counts are believed only when each element can have its one byte.
[[nodiscard]] Verdict enter(const Cursor& in, std::uint64_t count, Step& step) noexcept {
  if (count > in.remaining()) return Verdict::truncated;
  step.children = count;
  return Verdict::ok;
}

// A count, then `per_count` terms for each, and `more` behind them.
struct Children {
  std::uint64_t per_count;
  std::uint64_t more;
};
template <class Width>
[[nodiscard]] Verdict enter_counted(Cursor& in, Children children, Step& step) noexcept {
  std::uint64_t count = 0;
  if (!take_count<Width>(in, count)) return Verdict::truncated;
  return enter(in, count * children.per_count + children.more, step);
}

[[nodiscard]] Verdict skip_reference(Cursor& in, std::size_t creation_bytes) noexcept {
  std::uint16_t words = 0;
  if (!in.take_u16(words)) return Verdict::truncated;
  if (words == 0 || words > kReferenceWordsMax) return Verdict::bad_term;
  return skip_node_and(in, creation_bytes + std::size_t{words} * 4);
}

[[nodiscard]] Verdict skip_bit_binary(Cursor& in) noexcept {
  std::uint32_t count = 0;
  std::uint8_t bits = 0;
  if (!in.take_u32(count) || !in.take_u8(bits)) return Verdict::truncated;
  if (count == 0 || bits == 0 || bits > 8) return Verdict::bad_term;
  return skip(in, count) ? Verdict::ok : Verdict::truncated;
}

// Erlang has no infinities and no NaN.
[[nodiscard]] Verdict skip_float(Cursor& in) noexcept {
  double value = 0;
  if (in.remaining() < sizeof value) return Verdict::truncated;
  return in.take_float(value) ? Verdict::ok : Verdict::bad_term;
}

[[nodiscard]] Verdict skip_old_float(Cursor& in) noexcept {
  double value = 0;
  if (in.remaining() < kOldFloatBytes) return Verdict::truncated;
  return in.take_old_float(value) ? Verdict::ok : Verdict::bad_term;
}

[[nodiscard]] Verdict skip_export(Cursor& in) noexcept {
  Atom name;
  std::uint8_t tag = 0;
  std::uint8_t arity = 0;
  if (!in.take_atom(name) || !in.take_atom(name)) return Verdict::bad_term;
  if (!in.take_u8(tag) || !in.take_u8(arity)) return Verdict::truncated;
  return tag == tag::kSmallInteger ? Verdict::ok : Verdict::bad_term;
}

// NEW_FUN: size:32 arity:8 uniq:128 index:32 free:32, then module, two integers, a pid, `free`
// terms
[[nodiscard]] Verdict enter_fun(Cursor& in, Step& step) noexcept {
  const std::size_t start = in.offset();
  std::uint32_t size = 0;
  std::uint32_t free_count = 0;
  constexpr std::size_t kArityUniqIndexBytes = 1 + 16 + 4;
  if (!in.take_u32(size) || !skip(in, kArityUniqIndexBytes) || !in.take_u32(free_count))
    return Verdict::truncated;
  step.end_offset = start + size;
  return enter(in, std::uint64_t{free_count} + 4, step);
}

[[nodiscard]] Verdict step_data(Cursor& in, std::uint8_t tag, Step& step) noexcept {
  switch (tag) {
    case tag::kNil:
      return Verdict::ok;
    case tag::kSmallInteger:
      return skip_fixed(in, 1);
    case tag::kInteger:
      return skip_fixed(in, 4);
    case tag::kNewFloat:
      return skip_float(in);
    case tag::kFloat:
      return skip_old_float(in);
    case tag::kSmallBig:
      return skip_big<std::uint8_t>(in);
    case tag::kLargeBig:
      return skip_big<std::uint32_t>(in);
    case tag::kBinary:
      return skip_counted<std::uint32_t>(in);
    case tag::kString:
      return skip_counted<std::uint16_t>(in);
    case tag::kBitBinary:
      return skip_bit_binary(in);
    case tag::kSmallTuple:
      return enter_counted<std::uint8_t>(in, {1, 0}, step);
    case tag::kLargeTuple:
      return enter_counted<std::uint32_t>(in, {1, 0}, step);
    case tag::kList:
      return enter_counted<std::uint32_t>(in, {1, 1}, step);
    case tag::kMap:
      return enter_counted<std::uint32_t>(in, {2, 0}, step);
    default:
      return Verdict::bad_tag;
  }
}

[[nodiscard]] Verdict step_identifier(Cursor& in, std::uint8_t tag, Step& step) {
  switch (tag) {
    case tag::kPid:
      return skip_node_and(in, 9);
    case tag::kNewPid:
      return skip_node_and(in, 12);
    case tag::kPort:
      return skip_node_and(in, 5);
    case tag::kNewPort:
      return skip_node_and(in, 8);
    case tag::kV4Port:
      return skip_node_and(in, 12);
    case tag::kReference:
      return skip_node_and(in, 5);
    case tag::kNewReference:
      return skip_reference(in, 1);
    case tag::kNewerReference:
      return skip_reference(in, 4);
    case tag::kNewFun:
      return enter_fun(in, step);
    case tag::kExport:
      return skip_export(in);
    default:
      return Verdict::bad_tag;
  }
}

[[nodiscard]] Verdict take_step(Cursor& in, Step& step, std::uint8_t& tag) {
  Atom atom;
  if (in.take_atom(atom)) return Verdict::ok;
  if (!in.take_u8(tag)) return Verdict::truncated;
  switch (tag) {
    case tag::kAtom:
    case tag::kSmallAtom:
    case tag::kAtomUtf8:
    case tag::kSmallAtomUtf8:
      return Verdict::truncated;  // or longer than any atom
    default:
      break;
  }
  const Verdict verdict = step_data(in, tag, step);
  return verdict == Verdict::bad_tag ? step_identifier(in, tag, step) : verdict;
}

[[nodiscard]] Error explain(Verdict verdict, std::uint8_t tag, std::size_t offset) {
  const std::string where = " at byte " + std::to_string(offset);
  if (verdict == Verdict::truncated) return {Errc::truncated, "term cut short" + where};
  if (verdict == Verdict::bad_term)
    return {Errc::bad_term, "term of tag " + std::to_string(tag) + " is malformed" + where};
  if (tag == tag::kCompressed)
    return {Errc::bad_tag, "compressed term" + where + ": send it uncompressed"};
  return {Errc::bad_tag, "unknown tag " + std::to_string(tag) + where};
}

}  // namespace

bool Cursor::take_version() noexcept {
  if (at_ == end_ || *at_ != tag::kVersion) return false;
  ++at_;
  return true;
}

bool Cursor::take_tuple(std::uint32_t& arity) noexcept {
  const std::uint8_t* const start = at_;
  std::uint8_t tag = 0;
  std::uint8_t small = 0;
  if (take_u8(tag)) {
    if (tag == tag::kSmallTuple && take_u8(small)) {
      arity = small;
      return true;
    }
    if (tag == tag::kLargeTuple && take_u32(arity)) return true;
  }
  at_ = start;
  return false;
}

bool Cursor::take_map(std::uint32_t& pairs) noexcept {
  if (remaining() < 5 || *at_ != tag::kMap) return false;
  ++at_;
  return take_u32(pairs);
}

bool Cursor::take_binary(ByteView& bytes) noexcept {
  const std::uint8_t* const start = at_;
  std::uint32_t count = 0;
  if (at_ != end_ && *at_ == tag::kBinary) {
    ++at_;
    if (take_u32(count) && take_bytes(count, bytes)) return true;
  }
  at_ = start;
  return false;
}

bool Cursor::take_float(double& value) noexcept {
  std::uint64_t bits = 0;
  if (!take_u64(bits)) return false;
  value = std::bit_cast<double>(bits);
  if (std::isfinite(value)) return true;
  at_ -= sizeof bits;
  return false;
}

bool Cursor::take_old_float(double& value) noexcept {
  ByteView bytes;
  if (!take_bytes(kOldFloatBytes, bytes)) return false;
  const std::string_view text = as_chars(bytes);
  const char* const end = text.data() + std::min(text.find('\0'), text.size());
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure == std::errc{} && stop == end && std::isfinite(value)) return true;
  at_ -= kOldFloatBytes;
  return false;
}

bool Cursor::take_atom(Atom& atom) noexcept {
  const std::uint8_t* const start = at_;
  std::uint8_t tag = 0;
  std::uint8_t short_count = 0;
  std::uint16_t count = 0;
  if (!take_u8(tag)) return false;
  bool has_count = false;
  if (tag == tag::kSmallAtomUtf8 || tag == tag::kSmallAtom) {
    has_count = take_u8(short_count);
    count = short_count;
  } else if (tag == tag::kAtom || tag == tag::kAtomUtf8) {
    has_count = take_u16(count);
  }
  if (has_count && count <= kAtomBytesMax && take_bytes(count, atom.name)) {
    const bool latin1 = tag == tag::kAtom || tag == tag::kSmallAtom;
    atom.text = latin1 ? Atom::Text::latin1 : Atom::Text::utf8;
    return true;
  }
  at_ = start;
  return false;
}

Result<ByteView> Cursor::skip_term() {
  struct Frame {
    std::uint64_t pending;
    std::size_t end_offset;
  };
  std::array<Frame, limits::kTermDepthMax + 1> frames;
  const std::size_t start = offset();
  std::size_t depth = 0;
  frames[0] = {1, 0};
  for (;;) {
    while (frames[depth].pending == 0) {
      const std::size_t end_offset = frames[depth].end_offset;
      if (end_offset != 0 && end_offset != offset())
        return Error{Errc::bad_term,
                     "fun says it ends at byte " + std::to_string(end_offset) + ", it ends at " +
                         std::to_string(offset())};
      if (depth == 0) return since(start);
      --depth;
    }
    --frames[depth].pending;
    Step step;
    std::uint8_t tag = 0;
    const std::size_t at = offset();
    const Verdict verdict = take_step(*this, step, tag);
    if (verdict != Verdict::ok) return explain(verdict, tag, at);
    if (step.children == 0 && step.end_offset == 0) continue;
    if (depth == limits::kTermDepthMax)
      return Error{Errc::too_deep,
                   "term nested deeper than " + std::to_string(limits::kTermDepthMax)};
    frames[++depth] = {step.children, step.end_offset};
  }
}

}  // namespace pyport::etf
