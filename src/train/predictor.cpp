#include "train/predictor.h"

#include "core/error.h"
#include "nn/model.h"
#include "train/evaluator.h"

#include <torch/types.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace regatta {
namespace {

void append_rows(std::vector<float>& to, const at::Tensor& rows) {
  const at::Tensor host = rows.to(torch::kCPU, torch::kFloat).contiguous();
  const float* data = host.const_data_ptr<float>();
  to.insert(to.end(), data, data + host.numel());
}

void predict_chunk(Model& model,
                   const PreparedChunk& prepared,
                   const PredictionColumns& columns,
                   Predictions& result) {
  const PassContext pass{&prepared.batch};
  const std::int64_t owned = prepared.chunk->num_owned;
  std::vector<at::Tensor> layers;
  at::Tensor h = Model::input(prepared.batch);
  for (int l = 0; l < model.num_layers(); ++l) {
    h = model.forward_layer(l, pass, h);
    layers.push_back(h);
    if (l == columns.embedding_layer) {
      append_rows(result.embedding, h.narrow(0, 0, owned));
      result.embedding_width = h.size(1);
    }
  }
  const at::Tensor logits = model.finish(layers).narrow(0, 0, owned);
  result.classes = logits.size(1);
  const at::Tensor predicted = logits.argmax(1).cpu();
  const auto* p = predicted.const_data_ptr<std::int64_t>();
  result.predicted.insert(result.predicted.end(), p, p + owned);
  if (columns.probabilities)
    append_rows(result.probability, torch::softmax(logits, 1));
  for (std::int64_t i = 0; i < owned; ++i) {
    const auto node = static_cast<std::size_t>(i);
    result.global_id.push_back(prepared.chunk->global_id[node]);
    const OriginalIds& original = prepared.chunk->original;
    const bool named = original.is_text() || !original.integer.empty();
    result.original_id.push_back(named ? original.at(i)
                                       : std::to_string(prepared.chunk->global_id[node]));
  }
}

/// Rank 0's copy of every rank's bytes; other ranks get nothing to keep.
template <class T>
std::vector<T> gather(const std::vector<T>& mine, Communicator& world) {
  std::vector<T> all;
  for (const auto& part : world.all_gather(std::as_bytes(std::span<const T>(mine)))) {
    if (world.rank() != 0)
      break;
    const std::size_t count = part.size() / sizeof(T);
    all.resize(all.size() + count);
    if (count > 0)
      std::memcpy(all.data() + all.size() - count, part.data(), part.size());
  }
  return all;
}

std::vector<std::string> gather_texts(const std::vector<std::string>& mine, Communicator& world) {
  std::vector<std::int64_t> lengths;
  std::vector<char> bytes;
  for (const std::string& text : mine) {
    lengths.push_back(static_cast<std::int64_t>(text.size()));
    bytes.insert(bytes.end(), text.begin(), text.end());
  }
  const auto all_lengths = gather(lengths, world);
  const auto all_bytes = gather(bytes, world);
  std::vector<std::string> texts;
  std::size_t at = 0;
  for (const std::int64_t length : all_lengths) {
    texts.emplace_back(all_bytes.data() + at, static_cast<std::size_t>(length));
    at += static_cast<std::size_t>(length);
  }
  return texts;
}

template <class T>
std::vector<T> reordered(const std::vector<T>& rows,
                         const std::vector<std::size_t>& order,
                         std::int64_t width) {
  std::vector<T> sorted;
  if (rows.empty())
    return sorted;
  sorted.reserve(rows.size());
  for (const std::size_t i : order) {
    const auto from = rows.begin() + static_cast<std::ptrdiff_t>(i) * width;
    sorted.insert(sorted.end(), from, from + width);
  }
  return sorted;
}

void sort_by_global_id(Predictions& rows) {
  std::vector<std::size_t> order(rows.global_id.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return rows.global_id[a] < rows.global_id[b];
  });
  rows.original_id = reordered(rows.original_id, order, 1);
  rows.predicted = reordered(rows.predicted, order, 1);
  rows.probability = reordered(rows.probability, order, rows.classes);
  rows.embedding = reordered(rows.embedding, order, rows.embedding_width);
  rows.global_id = reordered(rows.global_id, order, 1);
}

}  // namespace

Predictions predict_nodes(Model& model,
                          BatchStore& store,
                          const PredictionColumns& columns,
                          Communicator& world) {
  const torch::NoGradGuard no_grad;
  if (columns.embedding_layer >= model.num_layers()) {
    fail(ExitCode::kUsage,
         "embedding layer {} was asked for, the model has {} layers (0 to {})",
         columns.embedding_layer,
         model.num_layers(),
         model.num_layers() - 1);
  }
  Predictions mine;
  const auto chunks = chunks_of_rank(chunk_costs(store.dataset().manifest()), world);
  store.begin(chunks);
  for (std::size_t i = 0; i < chunks.size(); ++i)
    predict_chunk(model, *store.next(), columns, mine);

  Predictions all;
  all.classes = world.all_reduce_max(mine.classes);
  all.embedding_width = world.all_reduce_max(mine.embedding_width);
  all.global_id = gather(mine.global_id, world);
  all.original_id = gather_texts(mine.original_id, world);
  all.predicted = gather(mine.predicted, world);
  all.probability = gather(mine.probability, world);
  all.embedding = gather(mine.embedding, world);
  if (world.rank() == 0)
    sort_by_global_id(all);
  return all;
}

}  // namespace regatta
