#include "genome/lines.hpp"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <htslib/bgzf.h>
#include <htslib/kstring.h>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"

#include "genome/quiet_htslib.hpp"

namespace mpira::genome {

struct Lines::Stream {
    BGZF* file = nullptr;
    kstring_t text = KS_INITIALIZE;

    Stream() = default;
    Stream(Stream const&) = delete;
    Stream& operator=(Stream const&) = delete;
    ~Stream() {
        if (file != nullptr) bgzf_close(file);
        ks_free(&text);
    }
};

Lines::Lines(std::filesystem::path const& file) : file_(file.string()), stream_(std::make_unique<Stream>()) {
    if (std::filesystem::is_directory(file)) fail_usage(fmt::format("{}: is a folder, not a file", file_));
    QuietHtslib const quiet;
    stream_->file = bgzf_open(file_.c_str(), "r");
    if (stream_->file == nullptr) fail_usage(fmt::format("{}: {}", file_, std::strerror(errno)));
}

Lines::~Lines() = default;

bool Lines::next() {
    QuietHtslib const quiet;
    int const got = bgzf_getline(stream_->file, '\n', &stream_->text);
    if (got == -1) return false;
    if (got < -1) {
        fail_usage(
            fmt::format("{}: damaged after line {}: the compressed data end early or are broken; "
                        "fetch the file again",
                        file_, number_));
    }
    ++number_;
    line_ = {stream_->text.s, stream_->text.l};
    if (number_ == 1) line_ = text::without_mark(line_);
    if (line_.ends_with('\r')) line_.remove_suffix(1);
    if (number_ == 1 && line_.find('\r') != std::string_view::npos) refuse(kOldLineEnds);
    return true;
}

void Lines::refuse(std::string_view what, std::source_location where) const {
    fail_usage(fmt::format("{} line {}: {}", file_, number_, what), where);
}

}  // namespace mpira::genome
