#include <ATen/ATen.h>

#include <algorithm>

#include "evaluate/rows.h"
#include "kaem/core/error.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"

namespace kaem::evaluate {
namespace {

using at::Tensor;

/// Test data of another set, as the run's model would see them: [N,D].
Tensor others(Evaluation& e, int64_t count) {
  DatasetOptions options = e.data_options();
  options.name = e.options.against;
  options.leave_out.clear();  // classes of the run's own data
  if (dataset_traits(options.name).kind == DataKind::kText)
    throw UsageError(str("--against ", options.name, ": it holds text, but this run is on pictures"));
  options.test_size = count;
  const Dataset data = make_dataset(options);
  const DataShape shape = e.picture_shape(), found = {data.shape[0], data.shape[1], data.shape[2]};
  if (data.is_text() || found != shape)
    throw UsageError(str("--against ", options.name, ": its data are ", found[0], "x", found[1], "x", found[2],
                         ", those of the run ", shape[0], "x", shape[1], "x", shape[2]));
  if (data.test.size(0) < 2) throw DataError(str(data.name, ": at least two test records are needed"));
  return e.as_model_sees(Dataset::to_float(data.test, at::arange(std::min(count, data.test.size(0)), at::kLong)),
                         data.test.scalar_type() == at::kByte);
}

Section measure_out_of_distribution(Evaluation& e) {
  const Tensor &own = e.test().x, other = others(e, own.size(0));
  return told_by_surprise(
      e, own, other, "against " + e.options.against, "Telling other data",
      str(grouped(own.size(0)), " test data of the run's own and ", grouped(other.size(0)), " of ", e.options.against));
}

std::string needs_other_data(Evaluation& e) {
  if (const std::string text = needs_pictures(e); !text.empty()) return text;
  if (const std::string why = needs_density(e); !why.empty()) return why;
  return e.options.against.empty() ? "name the other data with --against" : "";
}

}  // namespace

Metric out_of_distribution_metric() {
  return {"ood",
          "AUROC and AUPRC of -log p(x) and its parts between test data and those of another data set (--against)",
          needs_other_data, measure_out_of_distribution};
}

}  // namespace kaem::evaluate
