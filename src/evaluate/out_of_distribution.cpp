#include <ATen/ATen.h>

#include <algorithm>

#include "evaluate/rows.h"
#include "kaem/core/error.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/metrics/ranking.h"

namespace kaem::evaluate {
namespace {

using at::Tensor;

/// Test data of another set, as the run's model would see them: [N,D].
Tensor others(Evaluation& e, int64_t count) {
  DatasetOptions options = e.data_options();
  options.name = e.options.against;
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
      e, own, other, "against " + e.options.against, "Telling other data by -log p(x)",
      str(grouped(own.size(0)), " test data of the run's own and ", grouped(other.size(0)), " of ", e.options.against));
}

std::string needs_other_data(Evaluation& e) {
  if (const std::string text = needs_pictures(e); !text.empty()) return text;
  if (const std::string why = needs_density(e); !why.empty()) return why;
  return e.options.against.empty() ? "name the other data with --against" : "";
}

}  // namespace

Section told_by_surprise(Evaluation& e, const Tensor& own, const Tensor& other, const std::string& name,
                         const std::string& title, const std::string& line) {
  const auto surprise = [&](const Tensor& x) {
    return -metrics::importance_log_likelihood(*e.run.model, x, e.options.samples, e.rng).value;
  };
  const Tensor of_own = surprise(own), of_other = surprise(other);
  const metrics::Estimate area = metrics::area_under_roc(of_other, of_own),
                          precision = metrics::average_precision(of_other, of_own, e.rng);
  Section section;
  section.scores = {{"AUROC " + name, area.value, area.error}, {"AUPRC " + name, precision.value, precision.error}};
  const double share = static_cast<double>(other.size(0)) / static_cast<double>(own.size(0) + other.size(0));
  section.text = text_of(title,
                         {str(line, ", importance sampling with ", grouped(e.options.samples), " draws"),
                          str("chance has AUROC 0.5 and AUPRC ", std::to_string(share).substr(0, 5))},
                         section.scores);
  return section;
}

Metric out_of_distribution_metric() {
  return {"ood", "AUROC and AUPRC of -log p(x) between test data and those of another data set (--against)",
          needs_other_data, measure_out_of_distribution};
}

}  // namespace kaem::evaluate
