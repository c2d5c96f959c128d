// The interface of all attention kernels: argument structs over raw pointers, no allocation, no torch.
//
// Legend: R = rows (destinations computed), N = nodes (sources), E = edges of those rows, H = heads, D = width of
// a head. Arrays are dense, row-major, of `dtype` unless said. Formulas: docs/numerics.md §1.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/rng.h"

namespace regatta {

struct PreparedGraph;

enum class AttentionKind { kDot, kGat };
enum class KernelType { kFloat32, kFloat64 };

/// Dropout of one kind: p = 0 means none; survivors are scaled by 1/(1-p).
struct DropoutArgs {
  double probability = 0;
  RandomKey key;
};

/// Shapes and inputs that forward and backward share.
struct AttentionInputs {
  AttentionKind kind = AttentionKind::kGat;
  KernelType dtype = KernelType::kFloat32;
  std::int64_t rows = 0;   ///< R: a prefix of the prepared graph's rows
  std::int64_t nodes = 0;  ///< N: rows of z; every source of the first R rows is below N
  std::int64_t heads = 0;  ///< H
  std::int64_t width = 0;  ///< D
  const PreparedGraph* graph = nullptr;
  const void* z = nullptr;                  ///< [N,H,D] projected features (query = key = value for dot)
  const void* source_logit = nullptr;       ///< gat: s [N,H]
  const void* destination_logit = nullptr;  ///< gat: t [R,H]
  double negative_slope = 0.2;              ///< gat: slope of LeakyReLU, >= 0
  double scale = 1;                         ///< dot: e_ij = <z_i, z_j> * scale
  DropoutArgs attention_dropout;            ///< m_ij: counter (edge id, head/4), word head%4
  DropoutArgs message_dropout;              ///< mu_jd: counter (global id of j, (h*D+d)/4), word (h*D+d)%4
};

/// O_i = sum_j alpha_ij m_ij (mu z)_j. An empty row gives 0 (and logsumexp 0).
struct AttentionForwardArgs {
  AttentionInputs in;
  void* out = nullptr;        ///< O [R,H,D]
  void* logsumexp = nullptr;  ///< L [R,H]: alpha_ij = exp(e_ij - L_i); null when no backward follows
  void* correction = nullptr; ///< gat: C [R,H,D] of the one-gather backward; null when not wanted
  void* workspace = nullptr;  ///< workspace_bytes(), 64-byte aligned; may be null when that is 0
};

/// Gradients of a scalar loss; every output is overwritten, none accumulated.
struct AttentionBackwardArgs {
  AttentionInputs in;
  const void* out = nullptr;         ///< O of the forward [R,H,D]
  const void* logsumexp = nullptr;   ///< L of the forward [R,H]
  const void* correction = nullptr;  ///< C of the forward, or null
  const void* grad_out = nullptr;    ///< g [R,H,D]
  void* grad_z = nullptr;            ///< [N,H,D]; for gat without the terms that go through s and t
  void* grad_source_logit = nullptr;       ///< gat: ds [N,H]
  void* grad_destination_logit = nullptr;  ///< gat: dt [R,H]
  void* workspace = nullptr;
};

/// alpha_ij before dropout, for people to read: [E,H] in the order of the graph's edges.
struct AttentionWeightsArgs {
  AttentionInputs in;
  const void* logsumexp = nullptr;  ///< L of a forward with the same inputs [R,H]
  void* weights = nullptr;          ///< [E,H], E = edges of the first R rows
};

/// Y = mask(X) W for sparse X (rows of a bag of words); W [F,K] dense. mask is input dropout on the stored
/// values: counter (global id, column/4), word column%4.
struct PreparedSparse;
struct SparseProjectionArgs {
  KernelType dtype = KernelType::kFloat32;
  std::int64_t rows = 0;     ///< a prefix of the rows of `x`
  std::int64_t columns = 0;  ///< K
  const PreparedSparse* x = nullptr;
  DropoutArgs input_dropout;
  const void* weight = nullptr;   ///< forward: W [F,K]
  void* out = nullptr;            ///< forward: Y [rows,K]
  const void* grad_out = nullptr; ///< backward: dY [rows,K]
  void* grad_weight = nullptr;    ///< backward: dW [F,K], overwritten
};

/// One device's kernels. A row of the table that every conformance test takes as its parameter.
struct KernelTable {
  const char* name;  ///< "reference", "cpu", "cuda"
  std::size_t (*forward_workspace_bytes)(const AttentionForwardArgs&);
  std::size_t (*backward_workspace_bytes)(const AttentionBackwardArgs&);
  void (*forward)(const AttentionForwardArgs&);
  void (*backward)(const AttentionBackwardArgs&);
  void (*weights)(const AttentionWeightsArgs&);
  void (*sparse_project)(const SparseProjectionArgs&);
  void (*sparse_project_backward)(const SparseProjectionArgs&);
};

const KernelTable& reference_kernels();  ///< plain loops, the oracle
const KernelTable& cpu_kernels();        ///< fused and threaded; equal bits for any number of threads

/// Throws Error(kUsage/kData/kInternal) naming the argument for null pointers, H or D < 1, negative shapes,
/// dropout outside [0,1), or rows beyond the prepared graph. Called by every table before its kernels.
void check_attention_inputs(const AttentionInputs& in);

}  // namespace regatta
