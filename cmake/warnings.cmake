# One set of warnings for every unit; foreign headers come in as system headers.

function(pyport_warnings target)
  target_compile_options(${target} INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
    -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast -Werror)
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
    target_compile_options(${target} INTERFACE -Wthread-safety -Werror=thread-safety)
  endif()
endfunction()
