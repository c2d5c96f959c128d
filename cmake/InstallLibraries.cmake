# Installs the modules that serve projects elsewhere: static libraries, their headers and a CMake package.
#
#   cmake --build build --target regatta_reducer
#   cmake --install build --prefix PREFIX
#
# gives find_package(Regatta CONFIG COMPONENTS reducer) with Regatta::core, Regatta::comm, Regatta::reducer. Headers that
# are private to a module are not installed.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(regatta_package ${CMAKE_INSTALL_LIBDIR}/cmake/Regatta)
set(regatta_headers ${CMAKE_INSTALL_INCLUDEDIR}/regatta)

# regatta_install(module export headers...)
function(regatta_install module export)
  set_target_properties(regatta_${module} PROPERTIES EXPORT_NAME ${module})
  target_compile_features(regatta_${module} INTERFACE cxx_std_20)
  install(TARGETS regatta_${module} EXPORT ${export}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT reducer
          INCLUDES DESTINATION ${regatta_headers})
  install(FILES ${ARGN} DESTINATION ${regatta_headers}/${module} COMPONENT reducer)
endfunction()

file(GLOB core_headers CONFIGURE_DEPENDS src/core/*.h)
file(GLOB comm_headers CONFIGURE_DEPENDS src/comm/*.h)
list(FILTER comm_headers EXCLUDE REGEX "/(nccl_|mpi_check|mpi_heartbeat|mpi_leader_sum|mpi_node_sum)")
regatta_install(core RegattaComm ${core_headers})
regatta_install(comm RegattaComm ${comm_headers})
regatta_install(reducer RegattaReducer src/reducer/gradient_reducer.h)

configure_package_config_file(cmake/RegattaConfig.cmake.in ${CMAKE_BINARY_DIR}/RegattaConfig.cmake
                              INSTALL_DESTINATION ${regatta_package} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/RegattaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
foreach(export RegattaComm RegattaReducer)
  install(EXPORT ${export} NAMESPACE Regatta:: FILE ${export}Targets.cmake DESTINATION ${regatta_package}
          COMPONENT reducer)
endforeach()
install(FILES ${CMAKE_BINARY_DIR}/RegattaConfig.cmake ${CMAKE_BINARY_DIR}/RegattaConfigVersion.cmake
              cmake/FindLibTorch.cmake
        DESTINATION ${regatta_package} COMPONENT reducer)
