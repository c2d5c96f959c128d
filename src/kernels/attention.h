// The interface of all attention kernels: argument structs over raw pointers, no allocation, no
// torch.
//
// Legend: R = rows (destinations computed), N = nodes (sources), E = edges of those rows in the
// order of the in-edge list, H = heads, D = width of a head, Hs and Ds = heads and width of dot's
// scores, Fe = edge features. Arrays are dense and row-major. Rows of tables are of the storage
// type `dtype`; arrays marked (w) are of the working type: float for fp32 and bf16 storage, double
// for fp64. All sums are in the working type or wider. Formulas: docs/numerics.md §1.
#pragma once

#include "core/rng.h"

#include <cstddef>
#include <cstdint>

namespace regatta {

struct PreparedGraph;

/// kDot serves `dot` (query = key = value) and `transformer` (three tables).
enum class AttentionKind { kDot, kGat, kGatv2 };
enum class KernelType { kFloat32, kFloat64, kBFloat16 };

/// Activations whose derivative follows from their value, so that training keeps y alone.
enum class FusedActivation { kNone, kElu, kRelu, kLeakyRelu, kTanh, kSigmoid };

/// Dropout of one kind: p = 0 means none; survivors are scaled by 1/(1-p).
struct DropoutArgs {
  double probability = 0;
  RandomKey key;
  /// Where kernels read the key when they run, in their memory; null: it is `key`. Recorded
  /// launches have it, since their arguments stay those of the recording.
  const std::uint64_t* stored_key = nullptr;

  /// For tables whose kernels run when they are called.
  RandomKey key_now() const { return stored_key == nullptr ? key : RandomKey{*stored_key}; }
};

/// Terms of the edges. All optional.
struct EdgeTerms {
  const void* logit = nullptr;  ///< (w) [E,Hs]: gat adds it to u, dot and gatv2 to e
  std::int64_t features = 0;    ///< Fe
  const void* x = nullptr;  ///< (w) [E,Fe] features of the edges; constants, they get no gradient
  const void* query = nullptr;   ///< dot (w) [R,Hs,Fe]: e_ij += <query_i, x_ij>
  const void* weight = nullptr;  ///< gatv2 (w) [Fe,H,D]: u_ij += x_ij weight
};

/// Shapes and inputs that forward and backward share. Destinations and sources may be two sets of
/// nodes: tables of destinations have R rows, tables of sources N; neither bounds the other.
struct AttentionInputs {
  AttentionKind kind = AttentionKind::kGat;
  KernelType dtype = KernelType::kFloat32;
  std::int64_t rows = 0;         ///< R: a prefix of the prepared graph's rows
  std::int64_t nodes = 0;        ///< N: every source of the first R rows is below N
  std::int64_t heads = 0;        ///< H
  std::int64_t width = 0;        ///< D
  std::int64_t score_heads = 0;  ///< dot: Hs, H or 1 (all heads share the logits); 0 stands for H
  std::int64_t score_width = 0;  ///< dot: Ds; 0 stands for D
  const PreparedGraph* graph = nullptr;
  const void* value = nullptr;  ///< [N,H,D] messages: z (gat, dot), r (gatv2), v (transformer)
  const void* query = nullptr;  ///< dot: q [R,Hs,Ds]; gatv2: l [R,H,D]
  const void* key =
      nullptr;  ///< dot: k [N,Hs,Ds]; may be `value`, and then `query` may be too (rows are nodes)
  const void* source_logit = nullptr;       ///< gat (w): s [N,H]
  const void* destination_logit = nullptr;  ///< gat (w): t [R,H]
  const void* attention_vector = nullptr;   ///< gatv2 (w): a [H,D]
  double negative_slope = 0.2;              ///< gat, gatv2: slope of LeakyReLU, >= 0
  double scale = 1;                         ///< dot: e_ij = <q_i, k_j> * scale
  EdgeTerms edge;
  DropoutArgs attention_dropout;  ///< m_ij: counter (edge id, head/4), word head%4
  DropoutArgs message_dropout;    ///< mu_jd: counter (global id of j, (h*D+d)/4), word (h*D+d)%4

  std::int64_t logit_heads() const {
    return kind == AttentionKind::kDot && score_heads != 0 ? score_heads : heads;
  }
  std::int64_t logit_width() const {
    return kind == AttentionKind::kDot && score_width != 0 ? score_width : width;
  }
  /// dot with one table in all three roles: its gradient is one array too.
  bool shares_table() const {
    return kind == AttentionKind::kDot && query == value && key == value && value != nullptr;
  }
};

/// y = activation(O + bias + residual), stored together with O. Absent when y is null.
struct AttentionEpilogue {
  FusedActivation activation = FusedActivation::kNone;
  double slope = 0.01;             ///< kLeakyRelu
  const void* bias = nullptr;      ///< (w) [H,D] or null
  const void* residual = nullptr;  ///< [R,H,D] or null
  void* y = nullptr;               ///< [R,H,D]

  /// Whether the gradient of O differs from that of y.
  bool changes_gradient() const { return y != nullptr && activation != FusedActivation::kNone; }
};

/// What dropout keeps, so that the random numbers are made once a step. Each is null, or holds what
/// its comment says; without that dropout it is never touched.
struct KeptBits {
  std::uint64_t* messages = nullptr;  ///< mu [N, message_words]: bit c%64 of word c/64, c = h*D+d
  std::uint8_t* edges = nullptr;      ///< m [(H+3)/4, E]: bit h%4 of byte (h/4, e)

  static std::int64_t message_words(std::int64_t columns) { return (columns + 63) / 64; }
};

/// O_i = sum_j alpha_ij m_ij (mu value)_j. An empty row gives 0 (and logsumexp 0).
struct AttentionForwardArgs {
  AttentionInputs in;
  void* out =
      nullptr;  ///< O [R,H,D]; may be null when the epilogue gives y and no backward follows
  void* logsumexp =
      nullptr;  ///< (w) L [R,Hs]: alpha_ij = exp(e_ij - L_i); null when no backward follows
  void* correction = nullptr;  ///< gat: C [R,H,D] of the one-gather backward; null when not wanted
  void* edge_out = nullptr;    ///< dot with edge.query (w) [R,H,Fe]: sum_j alpha_ij m_ij x_ij
  KeptBits kept;               ///< gat on the processor: written for the backward; else null
  AttentionEpilogue epilogue;
  void* workspace = nullptr;  ///< workspace_bytes(), 64-byte aligned; may be null when that is 0
};

/// Gradients of a scalar loss; every output is overwritten, none accumulated.
struct AttentionBackwardArgs {
  AttentionInputs in;
  const void* out = nullptr;             ///< O of the forward [R,H,D]
  const void* logsumexp = nullptr;       ///< (w) L of the forward [R,Hs]
  const void* correction = nullptr;      ///< C of the forward, or null
  const void* edge_out = nullptr;        ///< (w) of the forward, where there was one
  KeptBits kept;                         ///< of the forward, only read; null: drawn again
  AttentionEpilogue epilogue;            ///< with y of the forward where it had one; y is only read
  const void* grad_out = nullptr;        ///< g [R,H,D]: of y where there is one, else of O
  const void* grad_edge_out = nullptr;   ///< (w) [R,H,Fe], where the forward had edge_out
  const void* grad_logsumexp = nullptr;  ///< (w) [R,Hs] or null: a part of the loss that reads L
  void* grad_value = nullptr;            ///< [N,H,D]; for gat without the terms through s and t
  void* grad_query = nullptr;            ///< as query; equal to grad_value when the table is shared
  void* grad_key = nullptr;              ///< as key; equal to grad_value when the table is shared
  void* grad_source_logit = nullptr;     ///< gat (w): ds [N,H]
  void* grad_destination_logit = nullptr;  ///< gat (w): dt [R,H]
  void* grad_attention_vector = nullptr;   ///< gatv2 (w): da [H,D]
  void* grad_edge_logit = nullptr;         ///< (w) [E,Hs], where there is edge.logit
  void* grad_edge_query = nullptr;         ///< dot (w) [R,Hs,Fe], where there is edge.query
  void* grad_edge_weight = nullptr;        ///< gatv2 (w) [Fe,H,D], where there is edge.weight
  void* grad_bias = nullptr;               ///< (w) [H,D], where the epilogue has a bias
  void* grad_residual = nullptr;           ///< [R,H,D], where the epilogue has a residual
  void* workspace = nullptr;
};

/// alpha_ij before dropout, for people to read: (w) [E,Hs] in the order of the graph's edges.
struct AttentionWeightsArgs {
  AttentionInputs in;
  const void* logsumexp = nullptr;  ///< (w) L of a forward with the same inputs [R,Hs]
  void* weights = nullptr;          ///< (w) [E,Hs], E = edges of the first R rows
};

/// Y = mask(X) W for sparse X (rows of a bag of words); W [F,K] dense. mask is input dropout on the
/// stored values: counter (global id, column/4), word column%4.
struct PreparedSparse;
struct FeatureDropoutArgs;
struct SparseProjectionArgs {
  KernelType dtype = KernelType::kFloat32;
  std::int64_t rows = 0;     ///< a prefix of the rows of `x`
  std::int64_t columns = 0;  ///< K
  const PreparedSparse* x = nullptr;
  DropoutArgs input_dropout;
  const void* weight = nullptr;    ///< forward: W [F,K]
  void* out = nullptr;             ///< forward: Y [rows,K]
  const void* grad_out = nullptr;  ///< backward: dY [rows,K]
  void* grad_weight = nullptr;     ///< backward (w): dW [F,K], overwritten
  /// [nnz] or null: 1 where input dropout keeps an entry, in the order by row. On the processor the
  /// forward writes those of its rows, and a backward that gets them draws nothing again.
  std::uint8_t* kept = nullptr;
  /// Another product of the same x, rows, dropout and type, made in the same pass where a device
  /// can.
  const SparseProjectionArgs* also = nullptr;
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
  void (*feature_dropout)(const FeatureDropoutArgs&);  ///< kernels/feature_dropout.h
};

const KernelTable& reference_kernels();  ///< plain loops, the oracle
const KernelTable& cpu_kernels();  ///< fused and threaded; equal bits for any number of threads

/// Throws Error(kUsage/kData/kInternal) naming the argument for null pointers, H or D < 1, negative
/// shapes, dropout outside [0,1), terms that the kind does not have, or rows beyond the prepared
/// graph. Called by every table before its kernels.
void check_attention_inputs(const AttentionInputs& in);

}  // namespace regatta
