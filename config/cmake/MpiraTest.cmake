# mpira_add_test(<name> SOURCES ... LIBS ... [RANKS 1 2 4] [LABELS ...] [TIMEOUT s])
#
# Without RANKS: an ordinary gtest, found case by case. With RANKS: one ctest entry per rank count, named
# <name>.np<k>, run under mpiexec, labelled mpi and np<k>, with PROCESSORS set so that `ctest -j` never books a core
# twice. A distributed test never skips itself.
find_package(GTest)
if(NOT GTest_FOUND)
  mpira_missing("GoogleTest" "Debian: libgtest-dev libgmock-dev.")
endif()
include(GoogleTest)
add_custom_target(serial_tests)  # what the sanitizers run

# An existing MPI test main (tests/support/mpi_main.cpp) is the target mpira_test_mpi_main.
function(mpira_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LIBS;RANKS;LABELS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${arg_LIBS} mpira_warnings GTest::gtest GTest::gmock)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  if(NOT arg_RANKS)
    target_link_libraries(${name} PRIVATE GTest::gtest_main)
    add_dependencies(serial_tests ${name})
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                         PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
    return()
  endif()
  target_link_libraries(${name} PRIVATE mpira_test_mpi_main)
  foreach(ranks IN LISTS arg_RANKS)
    mpira_add_mpi_run(${name}.np${ranks} RANKS ${ranks} TIMEOUT ${arg_TIMEOUT} LABELS ${arg_LABELS}
                      COMMAND $<TARGET_FILE:${name}>)
  endforeach()
endfunction()

# Environment of every process under MPI in tests. Not flags: MPICH's mpiexec knows neither --oversubscribe nor --bind-to.
set(MPIRA_MPI_ENVIRONMENT "OMP_NUM_THREADS=1" "OMPI_MCA_rmaps_base_oversubscribe=1"
  "OMPI_MCA_hwloc_base_binding_policy=none" "OMPI_ALLOW_RUN_AS_ROOT=1" "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"
  "OMPI_MCA_odls_base_sigkill_timeout=3")

# mpira_mpi_environment(<test> <out>): the same with a folder of the test's own for mpirun's session. Under the common one
# in /tmp, an mpirun that leaves may remove what another is about to use.
function(mpira_mpi_environment test out)
  set(folder ${PROJECT_BINARY_DIR}/mpi/${test})
  file(MAKE_DIRECTORY ${folder})
  set(${out} "${MPIRA_MPI_ENVIRONMENT};OMPI_MCA_orte_tmpdir_base=${folder}" PARENT_SCOPE)
endfunction()

# The one place that knows how a test process is started under MPI.
function(mpira_add_mpi_run name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "RANKS;TIMEOUT" "COMMAND;LABELS")
  add_test(NAME ${name} COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${arg_RANKS} ${MPIEXEC_PREFLAGS}
                                ${arg_COMMAND} ${MPIEXEC_POSTFLAGS})
  mpira_mpi_environment(${name} environment)
  set_tests_properties(${name} PROPERTIES
    PROCESSORS ${arg_RANKS} TIMEOUT ${arg_TIMEOUT} LABELS "mpi;np${arg_RANKS};${arg_LABELS}"
    ENVIRONMENT "MPIRA_EXPECTED_RANKS=${arg_RANKS};${environment}")
endfunction()

# mpira_add_script_test(<name> SCRIPT file.py [ARGS ...] [PROCESSORS n] [TIMEOUT s] [LABELS ...])
# A test written in Python (the venv under .deps/), with the binary's path in MPIRA and this helper's MPI environment.
# Scripts use tests/python/mpira_test.py; a failure is an exception or a non-zero exit.
function(mpira_add_script_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "SCRIPT;PROCESSORS;TIMEOUT" "ARGS;LABELS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(NOT arg_PROCESSORS)
    set(arg_PROCESSORS 2)
  endif()
  add_test(NAME ${name} COMMAND ${MPIRA_PYTHON} ${PROJECT_SOURCE_DIR}/tests/python/${arg_SCRIPT} ${arg_ARGS})
  mpira_mpi_environment(${name} environment)
  set_tests_properties(${name} PROPERTIES
    PROCESSORS ${arg_PROCESSORS} TIMEOUT ${arg_TIMEOUT} LABELS "python;${arg_LABELS}"
    ENVIRONMENT "MPIRA=$<TARGET_FILE:mpira>;MPIRA_BUILD=${PROJECT_BINARY_DIR};MPIRA_MPIEXEC=${MPIEXEC_EXECUTABLE};LD_LIBRARY_PATH=${PROJECT_SOURCE_DIR}/.deps/torch-stubs:$ENV{LD_LIBRARY_PATH};${environment}")
endfunction()
set(MPIRA_PYTHON "${PROJECT_SOURCE_DIR}/.deps/venv/bin/python" CACHE FILEPATH "Python of the venv launch/setup made")
