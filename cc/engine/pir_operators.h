// What operators of Paddle 3's format are called in a ProgramDesc, which is
// what the walk of values (value_ranges.h) knows.
#ifndef CC_ENGINE_PIR_OPERATORS_H_
#define CC_ENGINE_PIR_OPERATORS_H_

#include <string_view>

namespace engine {

struct PirOperator {
  std::string_view name;  // without the _ of those that work in place
  const char* type;
  // The parameters that it is given for, in order. "@axis:Axis" is an attribute
  // where the value is a constant of the program, and else the input Axis;
  // "@axis" must be a constant: with another one, nothing is known of the
  // operator.
  std::string_view inputs;
  std::string_view outputs = "Out";
  std::string_view renamed =
      "";  // "perm=axis": an attribute, and what it becomes
};

constexpr PirOperator kPirOperators[] = {
    {"add", "elementwise_add", "X Y"},
    {"argmax", "arg_max", "X @axis"},
    {"argmin", "arg_min", "X @axis"},
    {"argsort", "argsort", "X", "Out Indices"},
    {"cast", "cast", "X", "Out", "dtype=out_dtype"},
    {"clip", "clip", "X @min:Min @max:Max"},
    {"edit_distance", "edit_distance", "Hyps Refs HypsLength RefsLength"},
    {"embedding", "lookup_table_v2", "Ids W"},
    {"expand", "expand_v2", "X Shape"},
    {"expand_as", "expand_as_v2", "X Y"},
    {"full", "fill_constant", ""},
    {"full_like", "fill_any_like", "X @value"},
    {"gather", "gather", "X Index @axis:Axis"},
    {"gather_nd", "gather_nd", "X Index"},
    {"gather_tree", "gather_tree", "Ids Parents"},
    {"index_add", "index_add", "X Index AddValue"},
    {"index_put", "index_put", "x indices value"},
    {"index_sample", "index_sample", "X Index"},
    {"index_select", "index_select", "X Index", "Out", "axis=dim"},
    {"matmul", "matmul_v2", "X Y", "Out", "transpose_x=trans_x"},
    {"multiplex", "multiplex", "X Ids"},
    {"one_hot", "one_hot_v2", "X @depth:depth_tensor"},
    {"put_along_axis", "put_along_axis", "Input Index Value", "Result",
     "axis=Axis"},
    {"reshape", "reshape2", "X Shape"},
    {"rnn", "rnn", "Input PreState WeightList SequenceLength DropoutState"},
    {"roll", "roll", "X ShiftsTensor"},
    {"scale", "scale", "X @scale:ScaleTensor"},
    {"scatter", "scatter", "X Ids Updates"},
    {"scatter_nd_add", "scatter_nd_add", "X Index Updates"},
    {"send_u_recv", "graph_send_recv", "X Src_index Dst_index OutSize"},
    {"send_ue_recv", "graph_send_ue_recv",
     "X Y Src_index Dst_index @out_size:Out_size"},
    {"send_uv", "graph_send_uv", "x y src_index dst_index"},
    {"slice", "slice", "Input @starts:StartsTensor @ends:EndsTensor"},
    {"sparse_weight_embedding", "lookup_table_v2", "Ids W"},
    {"split", "split", "X @sections:SectionsTensorList @axis:AxisTensor"},
    {"split_with_num", "split", "X @axis:AxisTensor"},
    {"squeeze", "squeeze2", "X Axes"},
    {"take_along_axis", "take_along_axis", "Input Index", "Result",
     "axis=Axis"},
    {"tile", "tile", "X RepeatTimes"},
    {"topk", "top_k_v2", "X K", "Out Indices"},
    {"transpose", "transpose2", "X", "Out", "perm=axis"},
    {"unpool", "unpool", "X Indices @output_size"},
    {"unpool3d", "unpool3d", "X Indices"},
    {"unsqueeze", "unsqueeze2", "X AxesTensor"},
    {"unstack", "unstack", "X", "Y"},
    {"viterbi_decode", "viterbi_decode", "Input Transition Length"},
    {"warpctc", "warpctc", "Logits Label LogitsLength LabelLength"},
};

// Those that take indices which nothing here can trace.
constexpr std::string_view kUntracedOperators[] = {
    "index_elementwise_get",
    "index_elementwise_put",
    "index_elementwise_put_with_tensor",
    "index_select_strided",
    "lookup_table",
    "lookup_table_dequant",
};

}  // namespace engine

#endif  // CC_ENGINE_PIR_OPERATORS_H_
