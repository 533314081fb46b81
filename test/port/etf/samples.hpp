// One well-formed term for every tag that OTP 25 to 27 writes or reads (no version byte).
#pragma once

#include <array>

namespace pyport::test {

struct Sample {
  const char* name;
  const char* hex;
};

inline constexpr std::array kSamples = {
    Sample{"SMALL_INTEGER", "61 05"},
    Sample{"INTEGER", "62 FF FF FF FE"},
    Sample{"SMALL_BIG", "6E 02 01 34 12"},
    Sample{"LARGE_BIG", "6F 00 00 00 03 00 01 02 03"},
    Sample{"NEW_FLOAT", "46 40 09 21 FB 54 44 2D 18"},
    Sample{"FLOAT", "63 '1.50000000000000000000e+00' 00 00 00 00 00"},
    Sample{"ATOM", "64 00 02 'h' E9"},
    Sample{"SMALL_ATOM", "73 02 'ok'"},
    Sample{"ATOM_UTF8", "76 00 03 E6 97 A5"},
    Sample{"SMALL_ATOM_UTF8", "77 02 'ok'"},
    Sample{"SMALL_TUPLE", "68 02 61 01 77 02 'ok'"},
    Sample{"LARGE_TUPLE", "69 00 00 00 01 6A"},
    Sample{"NIL", "6A"},
    Sample{"STRING", "6B 00 02 01 02"},
    Sample{"LIST", "6C 00 00 00 02 61 01 61 02 6A"},
    Sample{"LIST improper", "6C 00 00 00 01 61 01 61 02"},
    Sample{"BINARY", "6D 00 00 00 03 'abc'"},
    Sample{"BIT_BINARY", "4D 00 00 00 02 03 FF E0"},
    Sample{"MAP", "74 00 00 00 01 77 01 'a' 61 01"},
    Sample{"PID", "67 77 01 'n' 00 00 00 01 00 00 00 02 03"},
    Sample{"NEW_PID", "58 77 01 'n' 00 00 00 01 00 00 00 02 00 00 00 03"},
    Sample{"PORT", "66 77 01 'n' 00 00 00 01 03"},
    Sample{"NEW_PORT", "59 77 01 'n' 00 00 00 01 00 00 00 03"},
    Sample{"V4_PORT", "78 77 01 'n' 00 00 00 00 00 00 00 01 00 00 00 03"},
    Sample{"REFERENCE", "65 77 01 'n' 00 00 00 01 03"},
    Sample{"NEW_REFERENCE", "72 00 02 77 01 'n' 03 00 00 00 01 00 00 00 02"},
    Sample{"NEWER_REFERENCE", "5A 00 02 77 01 'n' 00 00 00 03 00 00 00 01 00 00 00 02"},
    Sample{"EXPORT", "71 77 01 'm' 77 01 'f' 61 02"},
    Sample{"NEW_FUN",
           "70 00 00 00 41 00 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 00 00 00 01"
           " 00 00 00 01 77 01 'm' 61 00 61 07"
           " 58 77 01 'n' 00 00 00 01 00 00 00 02 00 00 00 03 68 03 6D 00 00 00 01 'x' 68 01 61 01 "
           "6A"},
};

}  // namespace pyport::test
