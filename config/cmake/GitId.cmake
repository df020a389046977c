cmake_minimum_required(VERSION 3.25)
# cmake -D ROOT=... -D OUTPUT=git_id.hpp -P GitId.cmake: the present commit as a C++ constant.
execute_process(COMMAND git -C ${ROOT} describe --always --dirty --abbrev=12
  OUTPUT_VARIABLE id OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(id unknown)  # a release archive, or no git
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#pragma once\n\ninline constexpr char kGitId[] = \"@id@\";\n" @ONLY)
