#include "nn/batch_placement.h"

#include "core/error.h"

#include <torch/types.h>

#include <cstring>

namespace regatta {
namespace {

constexpr std::int64_t kAlignment = 256;

template <class Visit>
void visit_schedule(DegreeSchedule& schedule, const Visit& visit) {
  visit(schedule.long_item);
  visit(schedule.first_piece);
  visit(schedule.piece_long);
  visit(schedule.order);
}

template <class Visit>
void visit_graph(PreparedGraph& graph, const Visit& visit) {
  visit_schedule(graph.row_schedule, visit);
  visit_schedule(graph.node_schedule, visit);
  visit(graph.in.indptr);
  visit(graph.in.src);
  visit(graph.in.edge_id);
  visit(graph.global_id);
  visit(graph.out_ptr);
  visit(graph.out_dst);
  visit(graph.out_edge);
}

template <class Visit>
void visit_sparse(PreparedSparse& sparse, const Visit& visit) {
  visit(sparse.row_ptr);
  visit(sparse.column);
  visit(sparse.value);
  visit(sparse.global_id);
  visit(sparse.column_ptr);
  visit(sparse.column_row);
  visit(sparse.column_value);
}

/// Calls visit(SharedArray<T>&) or visit(at::Tensor&) for everything that kernels read, in a fixed
/// order.
template <class Visit>
void visit_arrays(const BatchArrays& arrays, const Visit& visit) {
  Batch& batch = *arrays.batch;
  visit_graph(batch.graph, visit);
  visit(batch.features.dense);
  if (batch.features.sparse)
    visit_sparse(*batch.features.sparse, visit);
  visit(batch.edge_x);
  visit(batch.edge_type);
  for (RelationGraph& relation : batch.relations) {
    visit_graph(relation.graph, visit);
    visit(relation.position);
    visit(relation.occupied);
  }
  for (TargetRows& rows : arrays.targets) {
    visit(rows.row);
    visit(rows.label);
  }
}

void mark_placed(Batch& batch) {
  const bool on_device = !batch.placement.device.is_cpu();
  batch.graph.on_device = on_device;
  for (RelationGraph& relation : batch.relations) relation.graph.on_device = on_device;
}

template <class T>
std::int64_t bytes_of(const SharedArray<T>& array) {
  return static_cast<std::int64_t>(array.size() * sizeof(T));
}
std::int64_t bytes_of(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<std::int64_t>(tensor.nbytes()) : 0;
}

template <class T>
void copy_to(std::byte* to, const SharedArray<T>& array) {
  std::memcpy(to, array.data(), array.size() * sizeof(T));
}
void copy_to(std::byte* to, const at::Tensor& tensor) {
  REGATTA_CHECK(tensor.is_cpu(), "packing reads host memory");
  const at::Tensor dense = tensor.contiguous();
  std::memcpy(to, dense.const_data_ptr(), dense.nbytes());
}

/// Bytes [at, at + count) of the block.
struct Part {
  at::Tensor block;
  std::int64_t at, count;
};

template <class T>
void point_into(SharedArray<T>& array, const Part& part) {
  const auto owner = std::make_shared<const at::Tensor>(part.block);
  const auto* data = static_cast<const std::byte*>(owner->const_data_ptr()) + part.at;
  array = SharedArray<T>(owner, {reinterpret_cast<const T*>(data), array.size()});
}
void point_into(at::Tensor& tensor, const Part& part) {
  tensor = part.block.narrow(0, part.at, part.count)
               .view(tensor.scalar_type())
               .view(tensor.sizes().vec());
}

void place(at::Tensor& tensor, at::Device device) {
  if (tensor.defined())
    tensor = tensor.to(device);
}
template <class T>
void place(SharedArray<T>& array, at::Device device) {
  if (array.empty())
    return;
  const at::Tensor copy = array_view(array, at::kCPU).to(device);
  point_into(array, {copy, 0, bytes_of(array)});
}

/// Calls use(array, offset) for every array that has elements; returns the end of the last.
template <class Use>
std::int64_t lay_out(const BatchArrays& arrays, const Use& use) {
  std::int64_t end = 0;
  visit_arrays(arrays, [&](auto& array) {
    const std::int64_t bytes = bytes_of(array);
    if (bytes == 0)
      return;
    use(array, end);
    end += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  });
  return end;
}

}  // namespace

void place_batch(const BatchArrays& arrays) {
  const at::Device device = arrays.batch->placement.device;
  if (device.is_cpu())
    return;
  visit_arrays(arrays, [&](auto& array) { place(array, device); });
  mark_placed(*arrays.batch);
}

std::int64_t packed_bytes(const BatchArrays& arrays) {
  return lay_out(arrays, [](auto&, std::int64_t) {});
}

void pack_batch(const BatchArrays& arrays, const at::Tensor& block) {
  REGATTA_CHECK(block.is_cpu() && block.numel() == packed_bytes(arrays));
  auto* to = static_cast<std::byte*>(block.mutable_data_ptr());
  lay_out(arrays, [&](auto& array, std::int64_t at) { copy_to(to + at, array); });
}

void point_batch_into(const BatchArrays& arrays, const at::Tensor& block) {
  lay_out(arrays, [&](auto& array, std::int64_t at) {
    point_into(array, Part{block, at, bytes_of(array)});
  });
  // Tensors without elements have no place in the block.
  visit_arrays(arrays, [&](auto& array) {
    if (bytes_of(array) == 0)
      place(array, block.device());
  });
  mark_placed(*arrays.batch);
}

template <class T>
at::Tensor array_view(const SharedArray<T>& array, at::Device device) {
  const auto options = torch::TensorOptions(c10::CppTypeToScalarType<T>::value).device(device);
  // from_blob takes a mutable pointer; readers alone ask for a view.
  return torch::from_blob(
      const_cast<T*>(array.data()), {static_cast<std::int64_t>(array.size())}, options);
}
template at::Tensor array_view(const SharedArray<float>&, at::Device);
template at::Tensor array_view(const SharedArray<std::int32_t>&, at::Device);
template at::Tensor array_view(const SharedArray<std::int64_t>&, at::Device);

}  // namespace regatta
