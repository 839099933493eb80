#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "generator/generators.h"
#include "generator/network.h"
#include "generator/transposed_convolution.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

using at::Tensor;

/// One transposed convolution.
struct UpLayer {
  Tensor weight, bias;                                       ///< [in,out,k,k], [out]
  Tensor norm_weight, norm_bias, running_mean, running_var;  ///< [out], undefined without batch norm
  Tensor skip;                                               ///< [out,in,1,1], undefined where not needed
  int64_t stride = 1, padding = 0;

  /// What transposed_convolution gives.
  Tensor convolve(const Tensor& x) const {
    return network::transposed_convolution(x, weight.to(x.scalar_type()), bias.to(x.scalar_type()), stride, padding);
  }
  Tensor normalise(const Tensor& x, bool training, const ops::BatchShare& share) const {
    if (!norm_weight.defined()) return x;
    return ops::batch_norm(x, {norm_weight, norm_bias, running_mean, running_var}, training, share);
  }
  /// The layer's input as an image of the result's size and channels.
  Tensor enlarged(const Tensor& x, const Tensor& result) const {
    return at::upsample_nearest2d(skip.defined() ? at::conv2d(x, skip.to(x.scalar_type())) : x,
                                  result.sizes().slice(2));
  }
  template <class F>
  void each(F&& f) {
    f(weight), f(bias), f(norm_weight), f(norm_bias), f(running_mean), f(running_var), f(skip);
  }
  /// Batch norm by running statistics is a scale and a shift of each channel.
  void fold_norm() {
    if (!norm_weight.defined()) return;
    const Tensor scale = norm_weight * (running_var + ops::kBatchNormEpsilon).rsqrt();
    bias = (bias - running_mean) * scale + norm_bias;
    weight = weight * scale.reshape({1, -1, 1, 1});
    norm_weight = Tensor();
  }
  /// As the convolutions of a chain want them: rounded once, and in the order in which images lie.
  void prepare_weights(ops::Precision precision) {
    for (Tensor* t : {&weight, &bias, &skip})
      if (t->defined()) *t = ops::round_to(*t, precision);
    weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
  }
};

/// Latent -> image. docs/mathematics.md section 3.
struct Network {
  CnnOptions options;
  DataShape shape;
  ops::Activation activation;
  ops::Precision precision;   ///< of what runs through the layers
  network::Dense projection;  ///< undefined tensors without `projection`
  std::vector<UpLayer> layers;

  /// u [n,q] -> [n,C·H·W]
  Tensor run(const Tensor& u, bool training, const ops::BatchShare& share) const {
    const Tensor latent = image_of(u);
    Tensor x = first_image(u, latent);
    for (size_t l = 0; l + 1 < layers.size(); ++l) {
      Tensor hidden = layers[l].normalise(layers[l].convolve(with_latent(l, x, latent)), training, share);
      if (options.residual) hidden = hidden + layers[l].enlarged(x, hidden);
      x = network::activate(hidden, activation, options.leakyrelu_slope);
    }
    return cropped(layers.back().convolve(with_latent(layers.size() - 1, x, latent)), u);
  }

  Tensor image_of(const Tensor& u) const { return ops::round_to(u.reshape({u.size(0), u.size(1), 1, 1}), precision); }

  /// What the first layer sees. Images lie channels last from here on: convolutions are faster so.
  Tensor first_image(const Tensor& u, const Tensor& latent) const {
    if (!options.projection) return latent.contiguous(at::MemoryFormat::ChannelsLast);
    const Tensor x = projection(u).reshape({u.size(0), options.dims[0], options.init_spatial, options.init_spatial});
    return ops::round_to(x, precision).contiguous(at::MemoryFormat::ChannelsLast);
  }

  bool sees_latent(size_t l) const { return options.latent_concat && l > 0; }

  Tensor with_latent(size_t l, const Tensor& x, const Tensor& latent) const {
    return sees_latent(l) ? at::cat({x, latent.expand({-1, -1, x.size(2), x.size(3)})}, 1) : x;
  }

  /// The middle of the last layer's image, of u's type: [n,C·H·W].
  Tensor cropped(const Tensor& x, const Tensor& u) const {
    const int64_t top = (x.size(2) - shape[1]) / 2, left = (x.size(3) - shape[2]) / 2;
    return x.narrow(2, top, shape[1]).narrow(3, left, shape[2]).flatten(1).to(u.scalar_type());
  }

  template <class F>
  void each(F&& f) {
    projection.each(f);
    for (auto& layer : layers) layer.each(f);
  }
};

/// The network in evaluation mode with its pullback written out: nothing is recorded, and activations take the place of
/// what they are computed from where their derivative can be read off the result.
struct FrozenCnn : FrozenGenerator {
  explicit FrozenCnn(Network given) : net(std::move(given)) {}

  Tensor forward(const Tensor& u, const Tensor&) override {
    const c10::AutoGradMode no_grad(false);
    const size_t last = net.layers.size() - 1;
    const Tensor latent = net.image_of(u);
    Tensor x = net.first_image(u, latent);
    kept.clear(), channels.clear();
    for (size_t l = 0; l < last; ++l) {
      channels.push_back(x.size(1));
      Tensor y = net.layers[l].convolve(net.with_latent(l, x, latent));
      if (net.options.residual) y.add_(net.layers[l].enlarged(x, y));
      x = activate(y);
    }
    channels.push_back(x.size(1));
    const Tensor y = net.layers[last].convolve(net.with_latent(last, x, latent));
    size = {y.size(2), y.size(3)};
    return net.cropped(y, u);
  }

  Tensor pullback(const Tensor& grad) override {
    const c10::AutoGradMode no_grad(false);
    const size_t last = net.layers.size() - 1;
    Tensor g = uncropped(grad), to_latent;
    for (size_t l = net.layers.size(); l-- > 0;) {
      const UpLayer& layer = net.layers[l];
      if (l < last) g = through_activation(g, kept[l]);
      Tensor below = network::transposed_convolution_pullback(g, layer.weight, layer.stride, layer.padding);
      if (net.sees_latent(l)) {
        const Tensor part = below.narrow(1, channels[l], below.size(1) - channels[l]).sum({2, 3});
        to_latent = to_latent.defined() ? to_latent + part : part;
        below = below.narrow(1, 0, channels[l]);
      }
      if (net.options.residual && l < last) below = below + through_skip(layer, g, below);
      g = below;
    }
    Tensor to_u = g.flatten(1).to(grad.scalar_type());
    if (net.options.projection) to_u = ops::product(to_u, net.projection.weight.t(), net.precision);
    return to_latent.defined() ? to_u + to_latent.to(grad.scalar_type()) : to_u;
  }

 private:
  Tensor activate(Tensor& y) {
    if (net.activation == ops::Activation::kLeakyRelu) at::leaky_relu_(y, net.options.leakyrelu_slope);
    if (net.activation == ops::Activation::kRelu) at::relu_(y);
    kept.push_back(y);
    return in_place() ? y : network::activate(y, net.activation, net.options.leakyrelu_slope);
  }
  bool in_place() const {
    return net.activation == ops::Activation::kLeakyRelu || net.activation == ops::Activation::kRelu;
  }

  /// Overwrites g where it can.
  Tensor through_activation(Tensor g, const Tensor& seen) const {
    if (net.activation == ops::Activation::kNone) return g;
    if (net.activation == ops::Activation::kLeakyRelu)
      return at::leaky_relu_backward_out(g, g, seen, net.options.leakyrelu_slope, /*self_is_result=*/true);
    if (net.activation == ops::Activation::kRelu) return at::threshold_backward_out(g, g, seen, 0);
    return g * ops::activate_derivative(seen, net.activation);
  }

  /// The pullback of UpLayer::enlarged to an image of `like`'s size.
  static Tensor through_skip(const UpLayer& layer, const Tensor& g, const Tensor& like) {
    const Tensor small =
        at::upsample_nearest2d_backward(g, g.sizes().slice(2), {g.size(0), g.size(1), like.size(2), like.size(3)});
    return layer.skip.defined() ? at::conv_transpose2d(small, layer.skip) : small;
  }

  Tensor uncropped(const Tensor& grad) const {
    const int64_t h = net.shape[1], w = net.shape[2], top = (size[0] - h) / 2, left = (size[1] - w) / 2;
    Tensor image = grad.reshape({grad.size(0), net.shape[0], h, w});
    if (size[0] != h || size[1] != w)
      image = at::constant_pad_nd(image, {left, size[1] - w - left, top, size[0] - h - top});
    return ops::round_to(image, net.precision).contiguous(at::MemoryFormat::ChannelsLast);
  }

  Network net;
  std::vector<Tensor> kept;          ///< of each hidden layer: result of its activation, or what that was computed from
  std::vector<int64_t> channels;     ///< of each layer's input, without the latent's
  std::array<int64_t, 2> size = {};  ///< of the last layer's image
};

/// The size that the layers give along one axis; ConfigError where a layer would give nothing.
int64_t stack_size(const CnnOptions& o) {
  int64_t size = o.projection ? o.init_spatial : 1;
  for (size_t l = 0; l < o.strides.size(); ++l) {
    size = (size - 1) * o.strides[l] - 2 * o.paddings[l] + o.kernels[l];
    if (size < 1 || size > (1 << 16))
      throw ConfigError(str("[CNN] strides, kernel_sizes, paddings: layer ", l, " gives images of ", size, " rows"));
  }
  return size;
}

void check(const CnnOptions& o, const DataShape& shape) {
  const size_t layers = o.dims.size() + 1;
  for (const auto& [name, list] :
       {std::pair{"strides", &o.strides}, {"kernel_sizes", &o.kernels}, {"paddings", &o.paddings}})
    if (list->size() != layers)
      throw ConfigError(str("[CNN] ", name, ": expected ", layers,
                            " numbers, one more than hidden_feature_dims (the last layer gives the image), got ",
                            list->size()));
  if (o.projection && (o.dims.empty() || o.init_spatial < 1))
    throw ConfigError("[CNN] projection = true: expected init_spatial of 1 or more, and hidden_feature_dims");
  const int64_t size = stack_size(o);
  for (const int64_t wanted : {shape[1], shape[2]})
    if (size < wanted || size >= 2 * wanted)
      throw ConfigError(str("[CNN] strides, kernel_sizes, paddings: the layers give ", size, "x", size, " from ",
                            o.projection ? o.init_spatial : 1, "x", o.projection ? o.init_spatial : 1,
                            ", the data are ", shape[1], "x", shape[2],
                            "; expected that size or a little more (the edges are cut off): each layer gives"
                            " (size - 1)·stride - 2·padding + kernel; ",
                            size < wanted ? "add a layer or a larger stride" : "leave out a layer"));
}

/// Transposed convolutions, initialised as PyTorch's (Kaiming uniform).
struct CnnGenerator : Generator {
  CnnGenerator(const GeneratorOptions& all, int64_t latent_width, const DataShape& shape, const Rng& rng)
      : net{all.cnn, shape, ops::parse_activation(all.cnn.activation), all.precision.of_products(), {}, {}} {
    const CnnOptions& options = net.options;
    check(options, shape);
    const InitialDraws draws(rng, "generator");
    int64_t channels = latent_width;
    if (options.projection) {
      channels = options.dims[0];
      net.projection = network::add_dense(*this, "projection", latent_width,
                                          channels * options.init_spatial * options.init_spatial, draws, net.precision);
    }
    for (size_t l = 0; l < options.strides.size(); ++l) {
      const bool last = l + 1 == options.strides.size();
      const int64_t out = last ? shape[0] : options.dims[l];
      torch::nn::Module& child = network::add_child(*this, str("layer", l));
      net.layers.push_back(convolution(child, l, channels + (options.latent_concat && l > 0 ? latent_width : 0), out,
                                       draws.of(str("layer", l))));
      if (!last) add_extras(child, net.layers.back(), channels, out, draws.of(str("layer", l)));
      channels = out;
    }
  }

  Tensor forward(const Tensor& u) override { return net.run(u, is_training(), batch_share); }
  bool depends_on_batch() const override { return net.options.batchnorm; }

  std::unique_ptr<FrozenGenerator> freeze() override {
    const c10::AutoGradMode no_grad(false);
    Network frozen = network::detached(net);
    for (auto& layer : frozen.layers) {
      layer.fold_norm();
      layer.prepare_weights(frozen.precision);
    }
    return std::make_unique<FrozenCnn>(std::move(frozen));
  }

  Network net;

 private:
  UpLayer convolution(torch::nn::Module& child, size_t l, int64_t in, int64_t out, const InitialDraws& draws) const {
    const int64_t k = net.options.kernels[l];
    // PyTorch counts the outputs of a transposed convolution as its fan-in.
    const double bound = 1 / std::sqrt(static_cast<double>(out * k * k));
    UpLayer layer;
    layer.weight = child.register_parameter("weight", network::uniform_within(bound, draws, "weight", {in, out, k, k}));
    layer.bias = child.register_parameter("bias", network::uniform_within(bound, draws, "bias", {out}));
    layer.stride = net.options.strides[l], layer.padding = net.options.paddings[l];
    return layer;
  }

  /// Batch norm and skip connection of a hidden layer.
  void add_extras(torch::nn::Module& child, UpLayer& layer, int64_t in, int64_t out, const InitialDraws& draws) const {
    if (net.options.batchnorm) {
      layer.norm_weight = child.register_parameter("norm_weight", at::ones({out}));
      layer.norm_bias = child.register_parameter("norm_bias", at::zeros({out}));
      layer.running_mean = child.register_buffer("running_mean", at::zeros({out}));
      layer.running_var = child.register_buffer("running_var", at::ones({out}));
    }
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    if (net.options.residual && in != out)
      layer.skip = child.register_parameter("skip", network::uniform_within(bound, draws, "skip", {out, in, 1, 1}));
  }
};

}  // namespace

std::shared_ptr<Generator> make_cnn_generator(const GeneratorOptions& options, int64_t latent_width,
                                              const DataShape& shape, const Rng& rng) {
  return std::make_shared<CnnGenerator>(options, latent_width, shape, rng);
}

}  // namespace kaem
