#include <ATen/ATen.h>

#include "evaluate/rows.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"

namespace kaem::evaluate {
namespace {

Section measure_kernel(Evaluation& e) {
  const metrics::Estimate found = metrics::kernel_distance(e.generated_features(), e.train_features());
  Section section;
  section.scores = {{e.features().prefix() + "KID", found.value, found.error}};
  section.text =
      text_of("Kernel distance of features",
              {e.features().description(), str(grouped(e.options.generated), " samples against ",
                                               grouped(e.train_features().size(0)), " training data, all pairs")},
              section.scores);
  return section;
}

}  // namespace

Metric kernel_metric() { return {"kid", "kernel distance of features, unbiased", needs_features, measure_kernel}; }

}  // namespace kaem::evaluate
