#include "mpira/base/whole_file.hpp"

#include <cerrno>

#include <unistd.h>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"

namespace mpira {

void write_whole(std::filesystem::path const& file, std::string_view text) {
    replace_file(file, [&](int descriptor) {
        while (!text.empty()) {
            auto const written = ::write(descriptor, text.data(), text.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) fail_errno("writing", file.string());
            text.remove_prefix(static_cast<std::size_t>(written));
        }
    });
}

}  // namespace mpira
