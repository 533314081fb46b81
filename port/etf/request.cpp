#include "etf/request.hpp"

#include <string>

#include "etf/cursor.hpp"

namespace pyport::etf {

namespace {

constexpr const char* kCallForm = "expected {Module, Function, Args, Kwargs}";
constexpr const char* kEvalForm = "expected {Code, Locals}";

[[nodiscard]] Error bad(std::string why) {
  return {Errc::bad_term, std::move(why)};
}

// One encoded atom or binary.
[[nodiscard]] Result<ByteView> take_name(Cursor& in, const char* what) {
  const std::size_t start = in.offset();
  Atom atom;
  ByteView text;
  if (in.take_atom(atom) || in.take_binary(text)) return in.since(start);
  return bad(std::string(what) + " must be an atom or a UTF-8 binary; " + kCallForm);
}

[[nodiscard]] bool take_tuple_of(Cursor& in, std::uint32_t arity) {
  std::uint32_t found = 0;
  return in.take_version() && in.take_tuple(found) && found == arity;
}

}  // namespace

Result<CallSplit> split_call(ByteView term) {
  Cursor in(term);
  if (!take_tuple_of(in, 4)) return bad(kCallForm);
  CallSplit split;
  const std::size_t start = in.offset();
  PYPORT_TRY(split.module, take_name(in, "module"));
  PYPORT_TRY(split.function, take_name(in, "function"));
  split.name_key = in.since(start);
  split.arguments = in.rest();
  return split;
}

Result<EvalSplit> split_eval(ByteView term) {
  Cursor in(term);
  if (!take_tuple_of(in, 2)) return bad(kEvalForm);
  EvalSplit split;
  if (!in.take_binary(split.code)) return bad(std::string("Code must be a binary; ") + kEvalForm);
  split.locals = in.rest();
  return split;
}

Result<ByteView> split_exec(ByteView term) {
  Cursor in(term);
  ByteView code;
  if (!in.take_version() || !in.take_binary(code) || in.remaining() != 0)
    return bad("expected Code, a UTF-8 binary");
  return code;
}

}  // namespace pyport::etf
