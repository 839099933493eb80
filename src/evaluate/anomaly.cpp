#include <ATen/ATen.h>

#include <utility>

#include "evaluate/rows.h"
#include "kaem/core/error.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"

namespace kaem::evaluate {
namespace {

using at::Tensor;

/// The first test data, those of the classes left out among them, in the proportion that the file has. Where there is
/// no test file they are those that the run held out: more of them it would have trained on.
Section measure_anomaly(Evaluation& e) {
  DatasetOptions options = e.data_options();
  const std::vector<int64_t> classes = std::exchange(options.leave_out, {});
  if (!e.data().test_from_training) options.test_size = e.options.count;
  const Dataset data = make_dataset(options);
  const auto all = data.test.size(0);
  const auto as_seen = [&](bool others) {
    const Tensor rows = rows_of_classes(data.test_labels, classes, others);
    if (rows.size(0) < 2)
      throw UsageError(str("anomaly: of ", all, " test records ", rows.size(0), " are ",
                           others ? "of other classes than" : "of", " those left out: expected more of them (-n)"));
    return e.as_model_sees(Dataset::to_float(data.test, rows), data.test.scalar_type() == at::kByte);
  };
  const Tensor normal = as_seen(true), anomalous = as_seen(false);
  return told_by_surprise(e, normal, anomalous, "of classes left out", "Telling classes that were left out of training",
                          str(grouped(anomalous.size(0)), " test data of classes left out among ", grouped(all)));
}

std::string needs_classes_left_out(Evaluation& e) {
  if (const std::string text = needs_pictures(e); !text.empty()) return text;
  if (const std::string why = needs_density(e); !why.empty()) return why;
  return e.data_options().leave_out.empty() ? "the run left no classes out ([DATA] leave_out)" : "";
}

}  // namespace

Metric anomaly_metric() {
  return {"anomaly",
          "AUROC and AUPRC of -log p(x) and its parts between classes that training left out ([DATA] leave_out) and "
          "the others",
          needs_classes_left_out,
          measure_anomaly,
          {"auroc", "auprc"},
          /*higher_is_better=*/true};
}

}  // namespace kaem::evaluate
