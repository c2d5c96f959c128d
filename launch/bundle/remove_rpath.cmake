# cmake -P remove_rpath.cmake FILE...: takes the search paths of the building machine out of ELF files.
math(EXPR last "${CMAKE_ARGC} - 1")
set(here 3)
while(here LESS_EQUAL last)
  file(RPATH_REMOVE FILE "${CMAKE_ARGV${here}}")
  math(EXPR here "${here} + 1")
endwhile()
