#pragma once

#include "export/script.h"
#include "kaem/model/model.h"

namespace kaem::exports {

/// forward(u [n,q]) -> data before the output activation [n,D], of the generators that need no data for it.
torch::jit::Module generator_script(const ModelImpl& model, const ScriptUnit& unit);

/// Of the transformer, logits of words given those before them: forward(u [n,q], words int64 [n,L]) -> [n,L·V]; and
/// sample_words(u, uniforms [n,L]) -> int64 [n,L].
torch::jit::Module transformer_script(const ModelImpl& model, const ScriptUnit& unit);

/// A method draw(logits [...,V], uniforms [...]) -> int64 [...] of a module: words at a temperature; 0: the likeliest.
void define_draw(torch::jit::Module& module, double temperature);

}  // namespace kaem::exports
