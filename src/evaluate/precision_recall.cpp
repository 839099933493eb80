#include <ATen/ATen.h>

#include <algorithm>

#include "evaluate/rows.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"

namespace kaem::evaluate {
namespace {

Section measure_precision_recall(Evaluation& e) {
  const at::Tensor &real = e.train_features(), &made = e.generated_features();
  const int64_t count = std::min(real.size(0), made.size(0));  // unequal numbers would favour one of the two
  const auto found = metrics::precision_recall(real.slice(0, 0, count), made.slice(0, 0, count));
  Section section;
  section.scores = {{e.features().prefix() + "precision", found.precision.value, found.precision.error},
                    {e.features().prefix() + "recall", found.recall.value, found.recall.error}};
  section.text =
      text_of("Precision and recall by 3 neighbours",
              {e.features().description(), str(grouped(count), " samples and ", grouped(count), " training data")},
              section.scores);
  return section;
}

}  // namespace

Metric precision_recall_metric() {
  return {"precision-recall",      "share of samples among the data, and of data among the samples",
          needs_features,          measure_precision_recall,
          {"precision", "recall"}, /*higher_is_better=*/true};
}

}  // namespace kaem::evaluate
