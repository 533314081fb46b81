// Whatever the cursor accepts, libei must skip to the same byte. The cursor never reads outside the
// input: AddressSanitizer watches the copy that libFuzzer hands over.
#include <cstdlib>

#include <ei.h>

#include "etf/control.hpp"
#include "etf/cursor.hpp"
#include "etf/request.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const pyport::ByteView input(data, size);
  static_cast<void>(pyport::etf::split_call(input));
  static_cast<void>(pyport::etf::split_eval(input));
  static_cast<void>(pyport::etf::split_exec(input));
  static_cast<void>(pyport::etf::read_hello(input));
  static_cast<void>(pyport::etf::read_context_open(input));

  pyport::etf::Cursor cursor(input);
  auto term = cursor.skip_term();
  if (!term.ok()) return 0;
  int index = 0;
  const int status = ei_skip_term(pyport::as_chars(input).data(), &index);
  if (status != 0 || static_cast<std::size_t>(index) != term.value().size()) std::abort();
  return 0;
}
