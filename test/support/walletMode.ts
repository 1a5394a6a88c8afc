/** The numbers of `enum Mode` in TestWallet.sol. */
export const walletMode = {
  askOwner: 0,
  refuseAll: 1,
  revert: 2,
  burnGas: 3,
  wasteGas: 4,
  turnCostly: 5,
} as const;
