#include "preprocess/preprocess_options.h"

#include "graph/partition.h"
#include "graph/reorder.h"

namespace regatta {
namespace {

constexpr const char* kFormatHelp =
    "how columns are separated; auto looks at the first row (gzip is recognised by content)";
constexpr const char* kHeaderHelp =
    "whether the first row names the columns; auto looks at the first two rows";
constexpr const char* kCommentHelp = "lines that begin with this text are skipped; empty: none are";

}  // namespace

void EdgeTableOptions::declare(OptionGroup& group) {
  group.text("path", path, "table with one edge a row; relative to the current folder").required();
  group.choice("format", format, {"auto", "csv", "tsv", "space"}, kFormatHelp);
  group.choice("header", header, {"auto", "yes", "no"}, kHeaderHelp);
  group.text("source", source, "column of the source: name, or number from 1; empty: the first");
  group.text("destination",
             destination,
             "column of the destination: name, or number from 1; empty: the second");
  group.texts(
      "features", features, "columns of numbers that are features of the edge; empty: none");
  group.text("type", type, "column of the edge's type (relation), text or integer; empty: none");
  group.text("comment", comment, kCommentHelp);
}

void NodeTableOptions::declare(OptionGroup& group) {
  group.text(
      "path", path, "table with one node a row; empty: nodes come from the edges, no features");
  group.choice(
      "format",
      format,
      {"auto", "svmlight", "csv", "tsv"},
      "svmlight: line i (from 0) is node i, 'label index:value ...'; auto: svmlight where the "
      "file name says so, else by the first row");
  group.choice("header", header, {"auto", "yes", "no"}, kHeaderHelp);
  group.text("comment", comment, kCommentHelp);
  group.text("id", id, "column of the node id: name, or number from 1; empty: the first");
  group.text("label", label, "column of the class label; empty: none");
  group.texts("features", features, "feature columns, by name or number; empty: all other columns");
  group.integer("num_features",
                num_features,
                {.min = 0, .max = 2147483647},
                "width of svmlight features; 0: the largest index");
  group.integer(
      "first_index", first_index, {.min = 0, .max = 1}, "svmlight index of the first feature");
}

void LabelTableOptions::declare(OptionGroup& group) {
  group.text("path", path, "table of class labels beside the node table; empty: none");
  group.choice("format", format, {"auto", "csv", "tsv", "space"}, kFormatHelp);
  group.choice("header", header, {"auto", "yes", "no"}, kHeaderHelp);
  group.text("id", id, "column of the node id: name, or number from 1; empty: the first");
  group.text("label", label, "column of the label; empty: the second");
}

void SplitOptions::declare(OptionGroup& group) {
  group.choice(
      "method",
      method,
      {"auto", "given", "random", "none"},
      "auto: given where there is a path, else none; random draws from the labelled nodes");
  group.text("path", path, "table of nodes with train, val (valid, validation), test or none");
  group.choice("format", format, {"auto", "csv", "tsv", "space"}, kFormatHelp);
  group.choice("header", header, {"auto", "yes", "no"}, kHeaderHelp);
  group.text("node", node, "column of the node id: name, or number from 1; empty: the first");
  group.text("split", split, "column of the split's name; empty: the second");
  group.choice(
      "unit",
      unit,
      {"fraction", "count"},
      "random: whether train, validation and test are fractions of the labelled nodes or counts");
  group.number("train", train, {.min = 0}, "random: size of the training split");
  group.number("validation", validation, {.min = 0}, "random: size of the validation split");
  group.number("test", test, {.min = 0}, "random: size of the test split");
  group.flag("stratified", stratified, "random: each class in the same proportions in each split");
  group.integer("seed", seed, {.min = 0}, "random: seed of the draw");
}

void CleanOptions::declare(OptionGroup& group) {
  group.choice("duplicates",
               duplicates,
               {"drop", "keep", "error"},
               "edges listed more than once (undirected: in either direction), with the same type; "
               "drop keeps the first row and its features");
  group.choice("self_loops",
               self_loops,
               {"add", "drop", "keep"},
               "add: exactly one for each node; drop: none; keep: those listed");
  group.choice("direction",
               direction,
               {"undirected", "directed", "reversed"},
               "undirected: a row gives both directions; directed: the destination attends to the "
               "source; reversed: the source attends to the destination");
  group.choice("isolated", isolated, {"keep", "drop"}, "nodes without an edge to another node");
  group.choice("reverse_types",
               reverse_types,
               {"same", "own"},
               "undirected: the types of reversed edges; own: a type `rev_NAME` for each");
  group.choice("self_loop_fill",
               self_loop_fill,
               {"zero", "mean"},
               "stored features of added self loops; mean: of the node's other in-edges");
  group.choice("bad_rows",
               bad_rows,
               {"error", "skip", "report"},
               "rows that cannot be read; report: skip, and list them in bad_rows.csv");
  group.choice("unknown_nodes",
               unknown_nodes,
               {"error", "skip", "report"},
               "rows that name a node which does not exist; report: skip, and list them in "
               "bad_rows.csv");
}

void FeatureOptions::declare(OptionGroup& group) {
  group.choice("representation",
               representation,
               {"auto", "dense", "sparse"},
               "how features are stored; auto: as fit_from has it, else as the source gives them");
  group.choice("normalise",
               normalise,
               {"none", "row_l1", "row_l2", "standardise", "min_max"},
               "row_l1, row_l2: each node's features; standardise, min_max: each feature, with "
               "constants fitted on training nodes");
  group.choice("fill",
               fill,
               {"error", "zero", "mean", "median", "constant"},
               "what a missing value (empty, nan, na) becomes; mean and median of training nodes");
  group.number("fill_value", fill_value, {}, "the constant of fill: constant");
  group.text(
      "fit_from",
      fit_from,
      "dataset folder whose normalisation, filling, feature width, classes and edge types are "
      "taken over");
}

void EdgeFeatureOptions::declare(OptionGroup& group) {
  group.choice("normalise",
               normalise,
               {"none", "standardise", "min_max"},
               "standardise, min_max: each feature, with constants fitted on the listed edges");
  group.choice("fill",
               fill,
               {"error", "zero", "mean", "median", "constant"},
               "what a missing value (empty, nan, na) becomes; mean and median of listed edges");
  group.number("fill_value", fill_value, {}, "the constant of fill: constant");
}

void PartitionOptions::declare(OptionGroup& group) {
  group.choice("method",
               method,
               partitioner_names(),
               "metis: few edges between chunks; range: consecutive nodes");
  group.integer("chunks", chunks, {.min = 1, .max = 1000000}, "number of chunk files");
  group.integer("seed", seed, {.min = 0}, "seed of metis");
}

void HaloOptions::declare(OptionGroup& group) {
  group.choice(
      "mode",
      mode,
      {"exact", "one_hop", "none"},
      "exact: chunks carry all that `hops` layers need; one_hop: neighbours with the edges "
      "among them (approximate); none: edges between chunks are lost (approximate)");
  group.integer("hops", hops, {.min = 1, .max = 64}, "exact: number of attention layers");
}

void PreprocessOptions::declare(OptionGroup& group) {
  group.section("edges", edges, "the edge table");
  group.section("nodes", nodes, "the node table");
  group.section("labels", labels, "an extra table of labels");
  group.section("splits", splits, "training, validation and test nodes");
  group.choice("ids",
               ids,
               {"auto", "integer", "text"},
               "node ids of all tables; auto: integer where every id is one");
  group.integer("num_nodes",
                num_nodes,
                {.min = 0, .max = 2147483647},
                "without a node table: nodes are 0 to num_nodes - 1; 0: those that occur");
  group.section("clean", clean, "which rows and edges stay");
  group.section("features", features, "node features");
  group.section("edge_features", edge_features, "edge features (columns: edges.features)");
  group.choice(
      "order",
      order,
      ordering_names(),
      "how nodes are numbered; none: as the tables list them; degree: most in-edges first; "
      "bfs: breadth first; community: METIS communities one by one");
  group.section("partition", partition, "how nodes are shared out to chunks");
  group.section("halo", halo, "what a chunk holds beyond its own nodes");
}

}  // namespace regatta
