#include "kernels/cuda_library.h"

#include <torch/types.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace regatta::test {
namespace {

template <class T>
SharedArray<T> on_device(const SharedArray<T>& host) {
  if (host.empty())
    return host;
  const auto bytes = static_cast<std::int64_t>(host.size() * sizeof(T));
  const at::Tensor view =
      torch::from_blob(const_cast<T*>(host.data()), {bytes}, torch::dtype(at::kByte));
  auto owner = std::make_shared<at::Tensor>(view.cuda());
  const std::span<const T> span(static_cast<const T*>(owner->data_ptr()), host.size());
  return {std::move(owner), span};
}

DegreeSchedule on_device(DegreeSchedule schedule) {
  schedule.long_item = on_device(schedule.long_item);
  schedule.first_piece = on_device(schedule.first_piece);
  schedule.piece_long = on_device(schedule.piece_long);
  schedule.order = on_device(schedule.order);
  return schedule;
}

}  // namespace

PreparedGraph on_device(PreparedGraph graph) {
  add_degree_schedules(graph);
  graph.row_schedule = on_device(graph.row_schedule);
  graph.node_schedule = on_device(graph.node_schedule);
  graph.in.indptr = on_device(graph.in.indptr);
  graph.in.src = on_device(graph.in.src);
  graph.in.edge_id = on_device(graph.in.edge_id);
  graph.global_id = on_device(graph.global_id);
  graph.out_ptr = on_device(graph.out_ptr);
  graph.out_dst = on_device(graph.out_dst);
  graph.out_edge = on_device(graph.out_edge);
  graph.on_device = true;
  return graph;
}

PreparedSparse on_device(PreparedSparse x) {
  x.row_ptr = on_device(x.row_ptr);
  x.column = on_device(x.column);
  x.value = on_device(x.value);
  x.global_id = on_device(x.global_id);
  x.column_ptr = on_device(x.column_ptr);
  x.column_row = on_device(x.column_row);
  x.column_value = on_device(x.column_value);
  return x;
}

const CudaPlugin* find_cuda_library(std::string* why) {
  const char* named = std::getenv("REGATTA_CUDA_LIBRARY");
  std::error_code status;
  if (named != nullptr)
    set_cuda_library_path(named);
  else if (std::filesystem::exists(REGATTA_CUDA_LIBRARY, status))
    set_cuda_library_path(REGATTA_CUDA_LIBRARY);
  return cuda_plugin(why);
}

const CudaPlugin& plugin() {
  static const CudaPlugin& opened = [&]() -> const CudaPlugin& {
    std::string why;
    const CudaPlugin* found = find_cuda_library(&why);
    if (found == nullptr)
      throw std::runtime_error(why);
    if (found->device_count() > 0)
      found->select_device(0);
    return *found;
  }();
  return opened;
}

}  // namespace regatta::test
