# regatta_commit: a target that keeps <build>/generated/commit.cpp, and the commit of the sources in it, up to date. It
# runs at each build, not at configuring, and writes only what changed, so nothing is rebuilt for nothing.
# As a script (cmake -DSOURCE=... -DFILE=... -P Commit.cmake) it writes the file.
if(CMAKE_SCRIPT_MODE_FILE)
  set(commit "")
  execute_process(COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD OUTPUT_VARIABLE commit
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND git -C ${SOURCE} status --porcelain --untracked-files=no OUTPUT_VARIABLE changes ERROR_QUIET)
  if(commit STREQUAL "")
    set(commit unknown)
  elseif(NOT changes STREQUAL "")
    string(APPEND commit "+")
  endif()
  set(text "namespace regatta {\nextern const char* const kCommit;\nconst char* const kCommit = \"${commit}\";\n}\n")
  set(before "")
  if(EXISTS ${FILE})
    file(READ ${FILE} before)
  endif()
  if(NOT before STREQUAL text)
    file(WRITE ${FILE} "${text}")
  endif()
  return()
endif()

set(regatta_commit_source ${CMAKE_BINARY_DIR}/generated/commit.cpp)
add_custom_target(regatta_commit
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DFILE=${regatta_commit_source} -P ${CMAKE_CURRENT_LIST_FILE}
  BYPRODUCTS ${regatta_commit_source} VERBATIM)
