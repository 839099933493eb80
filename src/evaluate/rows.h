#pragma once

// The rows of the table, each in its own file, and what they share.

#include "kaem/evaluate/evaluation.h"

namespace kaem::evaluate {

Metric log_likelihood_metric();
Metric bidirectional_metric();
Metric frechet_metric();
Metric kernel_metric();
Metric precision_recall_metric();
Metric reconstruction_metric();
Metric nearest_metric();
Metric spectrum_metric();
Metric out_of_distribution_metric();
Metric anomaly_metric();

/// How well -log p(x), by annealed importance sampling, and the posterior's means of its parts tell `other` data from
/// the run's own: [n,D] and [m,D] as the model sees them. `name` stands behind AUROC and AUPRC, `title` and `line`
/// above.
Section told_by_surprise(Evaluation& evaluation, const at::Tensor& own, const at::Tensor& other,
                         const std::string& name, const std::string& title, const std::string& line);

/// Two digits; `-` where there is no number.
std::string number_or_dash(double value);

/// Why there is no log p(x): the model has no density p(x|z). Empty: there is one.
std::string needs_density(Evaluation& evaluation);

/// Why pictures cannot be compared: the run is on text. Empty: they can.
std::string needs_pictures(Evaluation& evaluation);

/// What the features are, and how many pictures there are on either side.
std::vector<std::string> feature_lines(Evaluation& evaluation);

}  // namespace kaem::evaluate
