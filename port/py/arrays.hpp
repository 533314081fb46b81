// {ndarray, Dtype, Shape, Binary}: arrays of numbers in one piece, both ways. Dtype is numpy's
// notation (<<"<f8">>), Shape a list of lengths, Binary the elements in C order.
#pragma once

#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "etf/cursor.hpp"
#include "py/ref.hpp"

namespace pyport::py {

struct ArrayParts {
  ByteView dtype;
  std::vector<Py_ssize_t> shape;
  ByteView data;
};

// Takes the elements of a 4-tuple whose header was taken, when they have this form; otherwise takes
// nothing and returns false. No exception either way.
[[nodiscard]] bool take_array(etf::Cursor& in, ArrayParts& parts);

// A numpy array (a writable copy) where numpy can be imported, else a memoryview. ValueError: the
// sizes disagree, or the dtype is none of plain numbers.
[[nodiscard]] PyObject* array_to_python(const ArrayParts& parts) PYPORT_REQUIRES(gil);

// The dtype of a buffer's element; empty when it is no plain number.
[[nodiscard]] std::string array_dtype(const Py_buffer& view);

}  // namespace pyport::py
