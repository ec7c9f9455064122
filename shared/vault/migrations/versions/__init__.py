"""One module a migration. What has been released is never changed."""
