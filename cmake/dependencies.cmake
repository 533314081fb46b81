# What the program is built from: CPython, libei, threads; doctest for the tests.

set(Python3_EXECUTABLE /usr/bin/python3 CACHE FILEPATH "The CPython that the program embeds")
find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter Development.Embed)
find_package(Threads REQUIRED)

# libei belongs to the Erlang that is on the PATH; erl_interface is a library
# directory of OTP, not a pkg-config package.
execute_process(
  COMMAND erl -noshell -eval "io:put_chars(code:lib_dir(erl_interface)), halt()."
  OUTPUT_VARIABLE erl_interface_dir ERROR_QUIET RESULT_VARIABLE erl_status)
if(NOT erl_status EQUAL 0)
  set(erl_interface_dir /usr/lib/erlang/usr)
endif()
find_path(EI_INCLUDE_DIR ei.h HINTS ${erl_interface_dir}/include
  /usr/lib/erlang/usr/include REQUIRED NO_DEFAULT_PATH)
find_library(EI_LIBRARY ei HINTS ${erl_interface_dir}/lib
  /usr/lib/erlang/usr/lib REQUIRED NO_DEFAULT_PATH)
add_library(ei::ei UNKNOWN IMPORTED)
set_target_properties(ei::ei PROPERTIES IMPORTED_LOCATION ${EI_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${EI_INCLUDE_DIR})

find_path(DOCTEST_INCLUDE_DIR doctest/doctest.h REQUIRED)
add_library(doctest::headers INTERFACE IMPORTED)
set_target_properties(doctest::headers PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES ${DOCTEST_INCLUDE_DIR})
