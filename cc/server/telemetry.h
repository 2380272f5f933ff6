// What the models tell while they come, run and go, as metrics and log lines.
#ifndef CC_SERVER_TELEMETRY_H_
#define CC_SERVER_TELEMETRY_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cc/base/metrics.h"
#include "cc/infer/model_directory.h"

namespace server {

// On the loop's thread.
class Telemetry : public infer::DirectoryObserver {
 public:
  // `registry` must outlive it and all models.
  explicit Telemetry(base::Registry* registry);
  ~Telemetry() override;

  std::unique_ptr<infer::ModelObserver> Observe(
      const infer::ModelOptions& options) override;
  void OnLoading(const infer::ModelOptions& options, double seconds) override;
  void OnLoaded(const std::shared_ptr<infer::Model>& model,
                double seconds) override;
  void OnFailed(const infer::ModelOptions& options,
                const absl::Status& status) override;
  void OnUnloaded(const infer::ModelInfo& info) override;
  void OnPassedOver(const std::string& why) override;
  void OnScanFailed(const absl::Status& status) override;

 private:
  class Series;
  struct Families;

  const std::unique_ptr<Families> families_;
  // Of the models that are served, by name and version.
  std::map<std::pair<std::string, std::string>,
           std::vector<std::shared_ptr<base::Gauge>>>
      gauges_;
};

}  // namespace server

#endif  // CC_SERVER_TELEMETRY_H_
