#include "mpira/base/error.hpp"

#include "train/bucket_sum.hpp"

namespace mpira::train {

// NOLINTBEGIN(performance-unnecessary-value-param): as the one for GPUs takes them
std::unique_ptr<BucketSum> make_device_bucket_sum(comm::CommView /*comm*/, at::Tensor /*buffer*/,
                                                  std::shared_ptr<Timeline> /*timeline*/) {
    throw Error(Origin::internal, "a build without GPU support has no device buffers to sum");
}
// NOLINTEND(performance-unnecessary-value-param)

}  // namespace mpira::train
