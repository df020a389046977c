#include <cstdlib>
#include <limits>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <linear.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/model/estimator.hpp"
#include "mpira/model/ridge.hpp"

namespace mpira::model {

namespace {

/// What liblinear, which has no other way to be heard or stopped, tells its print function: a dot every ten
/// iterations, and a warning when it ends without having converged.
struct Listener {
    std::function<bool()> const* stop_requested = nullptr;
    bool warned = false;
};
thread_local Listener* listener = nullptr;

void listen(char const* text) {
    if (listener == nullptr) return;
    if (std::string_view(text).find("WARNING") != std::string_view::npos) listener->warned = true;
    // Through liblinear's frames, which have no destructors: its few numbers a row stay behind in a process
    // that is about to end.
    if (*listener->stop_requested && (*listener->stop_requested)()) {
        throw Error(Origin::stopped, "stopped within a fit");
    }
}

class Listening {
public:
    explicit Listening(Listener& mine) {
        listener = &mine;
        ::set_print_string_function(&listen);
    }
    ~Listening() { listener = nullptr; }
    Listening(Listening const&) = delete;
    Listening& operator=(Listening const&) = delete;
};

class Svr final : public Estimator {
public:
    Svr(EstimatorShape shape, SvrOptions const& options) : shape_(shape), options_(options) {
        ensure(shape.columns > 0 && shape.columns < std::numeric_limits<int>::max() - 1 && shape.outputs > 0,
               "svr without columns");
        targets_.resize(shape.outputs);
    }

    void add(std::span<float const> x, std::span<float const> y) override {
        auto const rows = y.size() / shape_.outputs;
        ensure(y.size() % shape_.outputs == 0 && x.size() == rows * shape_.columns,
               "svr: rows of another shape");
        for (std::size_t row = 0; row < rows; ++row) {
            first_node_.push_back(nodes_.size());
            for (std::size_t column = 0; column < shape_.columns; ++column) {
                auto const value = x[row * shape_.columns + column];
                if (value != 0) nodes_.push_back({static_cast<int>(column) + 1, value});
            }
            nodes_.push_back({static_cast<int>(shape_.columns) + 1, 1.0});  // the intercept's
            nodes_.push_back({-1, 0.0});
        }
        for (std::size_t i = 0; i < y.size(); ++i) targets_[i % shape_.outputs].push_back(y[i]);
    }

    void fit(std::function<bool()> const& stop_requested) override {
        ensure(!first_node_.empty(), "svr: nothing to fit");
        require(first_node_.size() < static_cast<std::size_t>(std::numeric_limits<int>::max()),
                "svr: liblinear takes fewer than 2^31 regions");
        std::vector<feature_node*> rows;
        rows.reserve(first_node_.size());
        for (auto const first : first_node_) rows.push_back(nodes_.data() + first);
        for (std::size_t output = 0; output < shape_.outputs; ++output) fit_one(output, rows, stop_requested);
    }

    void predict(std::span<float const> x, std::span<float> out) const override {
        ensure(!fits_.empty() && x.size() * shape_.outputs == out.size() * shape_.columns,
               "svr: rows of another shape");
        for (std::size_t i = 0; i < out.size(); ++i) {
            auto const row = x.subspan(i / shape_.outputs * shape_.columns, shape_.columns);
            out[i] = static_cast<float>(fits_[i % shape_.outputs].predict(row));
        }
    }

    [[nodiscard]] std::string remark() const override {
        if (not_converged_ == 0) return {};
        return fmt::format("{} of {} fits ended at liblinear's last iteration, short of the tolerance {}",
                           not_converged_, shape_.outputs, options_.tolerance);
    }

private:
    void fit_one(std::size_t output, std::vector<feature_node*>& rows,
                 std::function<bool()> const& stop_requested) {
        problem const data{.l = static_cast<int>(rows.size()),
                           .n = static_cast<int>(shape_.columns) + 1,
                           .y = targets_[output].data(),
                           .x = rows.data(),
                           .bias = 1};
        parameter settings{};
        settings.solver_type = L2R_L1LOSS_SVR_DUAL;
        settings.eps = options_.tolerance;
        settings.C = options_.c;
        settings.p = options_.epsilon;
#if LIBLINEAR_VERSION >= 240
        settings.regularize_bias = 1;
#endif
        char const* const wrong = ::check_parameter(&data, &settings);
        require(wrong == nullptr, fmt::format("svr: liblinear: {}", wrong == nullptr ? "" : wrong));
        Listener mine{.stop_requested = &stop_requested};
        Listening const listening(mine);
        // liblinear visits rows in an order from rand(), whose seeds 0 and 1 are the same.
        Draws draws(options_.seed, Stream::svr, static_cast<std::uint32_t>(output));
        std::srand(static_cast<unsigned>(draws.next()));
        auto* fitted = ::train(&data, &settings);
        not_converged_ += mine.warned ? 1 : 0;
        fits_.push_back({.coefficients = {fitted->w, fitted->w + shape_.columns},
                         .intercept = fitted->w[shape_.columns]});
        ::free_and_destroy_model(&fitted);
    }

    EstimatorShape shape_;
    SvrOptions options_;
    std::vector<feature_node> nodes_;
    std::vector<std::size_t> first_node_;       // of each row
    std::vector<std::vector<double>> targets_;  // of each output
    std::vector<LinearFit> fits_;
    std::uint64_t not_converged_ = 0;
};

}  // namespace

std::unique_ptr<Estimator> make_svr(EstimatorShape shape, SvrOptions const& options) {
    return std::make_unique<Svr>(shape, options);
}

}  // namespace mpira::model
