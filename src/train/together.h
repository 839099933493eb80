#pragma once

#include <string>

#include "kaem/config/config.h"
#include "kaem/data/dataset.h"
#include "kaem/dist/group.h"
#include "kaem/model/model.h"
#include "kaem/posterior/posterior.h"
#include "kaem/train/length.h"

namespace kaem {

/// What of the machine is this process's: its GPU, and its share of the processor's cores.
RunOptions own_part(const RunOptions& options, const dist::Group* group);

/// What decides the numbers of a run, as text that two processes can compare.
std::string settings_text(const Config& config, const Length& length, const Dataset& data);

/// UsageError in all processes if one was started with other settings or data than the first; that one names the key.
void check_alike(const std::string& own, const dist::Group& group);

/// Returns once all processes have come here.
void meet(const dist::Group& group);

/// ConfigError where a part of a batch would not be trained on as in the whole.
void refuse_parts(const Config& config, const ModelImpl& model, const dist::Group* group);

/// Lets batch norm see the rows of all processes; the group outlives both.
void share_batches(ModelImpl& model, Posterior& posterior, const dist::Group& group);

}  // namespace kaem
