// The terms of CALL, EVAL and EXEC taken apart without Python (docs/protocol.md, "Messages to the
// program"). An error is a bad request: its detail is the `Why` of ERROR {bad_request, Why}.
// Every view points into the given term.
#pragma once

#include "core/bytes.hpp"
#include "core/result.hpp"

namespace pyport::etf {

// {Module, Function, Args, Kwargs}. `arguments` are the last two, one after the other and unread:
// py::ArgVector reads them once, in order.
struct CallSplit {
  ByteView module;    // an encoded atom or binary
  ByteView function;  // an encoded atom or binary
  ByteView name_key;  // both, as they stand: a key for a cache of looked-up functions
  ByteView arguments;
};
[[nodiscard]] Result<CallSplit> split_call(ByteView term);

// {Code, Locals}
struct EvalSplit {
  ByteView code;    // the text; not yet known to be UTF-8
  ByteView locals;  // an encoded map, unread
};
[[nodiscard]] Result<EvalSplit> split_eval(ByteView term);

// The text of an EXEC; not yet known to be UTF-8.
[[nodiscard]] Result<ByteView> split_exec(ByteView term);

}  // namespace pyport::etf
