#pragma once

namespace kaem {

/// A model small enough to train in a moment, on Darcy fields that the program solves itself.
constexpr const char* kTinyFile = R"([EbmModel]
layer_widths = 2,3
grid_size = 4
GaussQuad_nodes = 16
[GeneratorModel]
widths = 3,5
grid_size = 4
[GRID_UPDATING]
grid_update_frequency = 5
[TRAINING]
batch_size = 4
N_train = 16
N_test = 4
N_epochs = 3
log_steps = 1
samples_per_picture = 4
[DATA]
resize = 8x8
)";

}  // namespace kaem
