cmake_minimum_required(VERSION 3.25)
# cmake -D ROOT=... -D OUTPUT=git_id.hpp -P GitId.cmake: the present commit and its day as C++ constants.
execute_process(COMMAND git -C ${ROOT} describe --always --dirty --abbrev=12
  OUTPUT_VARIABLE id OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(id unknown)  # a release archive, or no git
endif()
execute_process(COMMAND git -C ${ROOT} log -1 --format=%cs
  OUTPUT_VARIABLE day OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#pragma once\n\ninline constexpr char kGitId[] = \"@id@\";\ninline constexpr char kGitDay[] = \"@day@\";\n" @ONLY)
