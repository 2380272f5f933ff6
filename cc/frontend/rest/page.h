// The page at /: what is served, how it is, and how fast.
#ifndef CC_FRONTEND_REST_PAGE_H_
#define CC_FRONTEND_REST_PAGE_H_

#include "cc/frontend/http/http.h"

namespace rest {

// It loads nothing from elsewhere, which its policy also forbids.
http::Response Page();

}  // namespace rest

#endif  // CC_FRONTEND_REST_PAGE_H_
