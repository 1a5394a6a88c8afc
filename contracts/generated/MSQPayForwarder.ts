// Generated from contracts/src/MSQPayForwarder.sol by contracts/build.ts. Do not edit.
export const msqPayForwarderAbi = [
  {
    "inputs": [],
    "stateMutability": "nonpayable",
    "type": "constructor"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "index",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "available",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "required",
        "type": "uint256"
      }
    ],
    "name": "BatchGasTooLow",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint48",
        "name": "deadline",
        "type": "uint48"
      }
    ],
    "name": "ERC2771ForwarderExpiredRequest",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "signer",
        "type": "address"
      },
      {
        "internalType": "address",
        "name": "from",
        "type": "address"
      }
    ],
    "name": "ERC2771ForwarderInvalidSigner",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "requestedValue",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "msgValue",
        "type": "uint256"
      }
    ],
    "name": "ERC2771ForwarderMismatchedValue",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "ERC2771ForwarderNoRefundReceiver",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "target",
        "type": "address"
      },
      {
        "internalType": "address",
        "name": "forwarder",
        "type": "address"
      }
    ],
    "name": "ERC2771UntrustfulTarget",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "FailedCall",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "balance",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "needed",
        "type": "uint256"
      }
    ],
    "name": "InsufficientBalance",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "currentNonce",
        "type": "uint256"
      }
    ],
    "name": "InvalidAccountNonce",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "InvalidShortString",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "permitIndex",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "requestIndex",
        "type": "uint256"
      }
    ],
    "name": "MSQPayForwarderPermitOutOfOrder",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "token",
        "type": "address"
      }
    ],
    "name": "MSQPayForwarderTokenTrustsForwarder",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "string",
        "name": "str",
        "type": "string"
      }
    ],
    "name": "StringTooLong",
    "type": "error"
  },
  {
    "anonymous": false,
    "inputs": [],
    "name": "EIP712DomainChanged",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "address",
        "name": "signer",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "nonce",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "bool",
        "name": "success",
        "type": "bool"
      }
    ],
    "name": "ExecutedForwardRequest",
    "type": "event"
  },
  {
    "inputs": [],
    "name": "BATCH_PERMIT_GAS",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "TRUST_CHECK_GAS",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "eip712Domain",
    "outputs": [
      {
        "internalType": "bytes1",
        "name": "fields",
        "type": "bytes1"
      },
      {
        "internalType": "string",
        "name": "name",
        "type": "string"
      },
      {
        "internalType": "string",
        "name": "version",
        "type": "string"
      },
      {
        "internalType": "uint256",
        "name": "chainId",
        "type": "uint256"
      },
      {
        "internalType": "address",
        "name": "verifyingContract",
        "type": "address"
      },
      {
        "internalType": "bytes32",
        "name": "salt",
        "type": "bytes32"
      },
      {
        "internalType": "uint256[]",
        "name": "extensions",
        "type": "uint256[]"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "address",
            "name": "from",
            "type": "address"
          },
          {
            "internalType": "address",
            "name": "to",
            "type": "address"
          },
          {
            "internalType": "uint256",
            "name": "value",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "gas",
            "type": "uint256"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct ERC2771Forwarder.ForwardRequestData",
        "name": "request",
        "type": "tuple"
      }
    ],
    "name": "execute",
    "outputs": [],
    "stateMutability": "payable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "address",
            "name": "from",
            "type": "address"
          },
          {
            "internalType": "address",
            "name": "to",
            "type": "address"
          },
          {
            "internalType": "uint256",
            "name": "value",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "gas",
            "type": "uint256"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct ERC2771Forwarder.ForwardRequestData[]",
        "name": "requests",
        "type": "tuple[]"
      },
      {
        "internalType": "address payable",
        "name": "refundReceiver",
        "type": "address"
      }
    ],
    "name": "executeBatch",
    "outputs": [],
    "stateMutability": "payable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "address",
            "name": "from",
            "type": "address"
          },
          {
            "internalType": "address",
            "name": "to",
            "type": "address"
          },
          {
            "internalType": "uint256",
            "name": "value",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "gas",
            "type": "uint256"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct ERC2771Forwarder.ForwardRequestData[]",
        "name": "requests",
        "type": "tuple[]"
      },
      {
        "components": [
          {
            "internalType": "uint256",
            "name": "requestIndex",
            "type": "uint256"
          },
          {
            "internalType": "address",
            "name": "token",
            "type": "address"
          },
          {
            "components": [
              {
                "internalType": "uint256",
                "name": "value",
                "type": "uint256"
              },
              {
                "internalType": "uint256",
                "name": "deadline",
                "type": "uint256"
              },
              {
                "internalType": "uint8",
                "name": "v",
                "type": "uint8"
              },
              {
                "internalType": "bytes32",
                "name": "r",
                "type": "bytes32"
              },
              {
                "internalType": "bytes32",
                "name": "s",
                "type": "bytes32"
              }
            ],
            "internalType": "struct Permit",
            "name": "permit",
            "type": "tuple"
          }
        ],
        "internalType": "struct MSQPayForwarder.BatchPermit[]",
        "name": "permits",
        "type": "tuple[]"
      }
    ],
    "name": "executeBatchWithPermits",
    "outputs": [
      {
        "components": [
          {
            "internalType": "bool",
            "name": "success",
            "type": "bool"
          },
          {
            "internalType": "bytes",
            "name": "reason",
            "type": "bytes"
          }
        ],
        "internalType": "struct BatchResult[]",
        "name": "results",
        "type": "tuple[]"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "address",
            "name": "from",
            "type": "address"
          },
          {
            "internalType": "address",
            "name": "to",
            "type": "address"
          },
          {
            "internalType": "uint256",
            "name": "value",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "gas",
            "type": "uint256"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct ERC2771Forwarder.ForwardRequestData",
        "name": "request",
        "type": "tuple"
      },
      {
        "internalType": "address",
        "name": "token",
        "type": "address"
      },
      {
        "components": [
          {
            "internalType": "uint256",
            "name": "value",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "deadline",
            "type": "uint256"
          },
          {
            "internalType": "uint8",
            "name": "v",
            "type": "uint8"
          },
          {
            "internalType": "bytes32",
            "name": "r",
            "type": "bytes32"
          },
          {
            "internalType": "bytes32",
            "name": "s",
            "type": "bytes32"
          }
        ],
        "internalType": "struct Permit",
        "name": "permit",
        "type": "tuple"
      }
    ],
    "name": "executeWithPermit",
    "outputs": [],
    "stateMutability": "payable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "owner",
        "type": "address"
      }
    ],
    "name": "nonces",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "address",
            "name": "from",
            "type": "address"
          },
          {
            "internalType": "address",
            "name": "to",
            "type": "address"
          },
          {
            "internalType": "uint256",
            "name": "value",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "gas",
            "type": "uint256"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct ERC2771Forwarder.ForwardRequestData",
        "name": "request",
        "type": "tuple"
      }
    ],
    "name": "verify",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  }
] as const;

export const msqPayForwarderBytecode = '0x6101606040523461012f57604051610018604082610133565b600f815260208101906e26a9a8a830bca337b93bb0b93232b960891b825260405191610045604084610133565b600183526020830191603160f81b835261005e8161016a565b6101205261006b8461016a565b61014052519020918260e05251902080610100524660a0526040519060208201927f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f8452604083015260608201524660808201523060a082015260a081526100d460c082610133565b5190206080523060c052604051611b5390816101d68239608051816119d6015260a05181611a93015260c051816119a7015260e05181611a2501526101005181611a4b01526101205181610782015261014051816107ab0152f35b5f80fd5b601f909101601f19168101906001600160401b0382119082101761015657604052565b634e487b7160e01b5f52604160045260245ffd5b601f815111610195576020815191015160208210610186571790565b5f198260200360031b1b161790565b604460209160405192839163305a27a960e01b83528160048401528051918291826024860152018484015e5f828201840152601f01601f19168101030190fdfe60806040526004361015610011575f80fd5b5f3560e01c8063109eeed71461094257806319d8d38c146109005780637ecebe001461087e57806384b0196e1461074c5780638549651c14610711578063b63fb4f1146106d7578063ccf96b4a14610350578063d821bdd01461008f5763df905caf1461007c575f80fd5b61008d61008836610afc565b610d4e565b005b346103215760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126103215760043567ffffffffffffffff8111610321576100de903690600401610bae565b6024359067ffffffffffffffff8211610321573660238301121561032157816004013567ffffffffffffffff811161032157602483019336602460e08402860101116103215761012d83610c6e565b9361013b6040519586610c00565b8385527fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe061016885610c6e565b015f5b8181106103395750505f935f925b81841061025c575050505080821061022157826040518091602082016020835281518091526040830190602060408260051b8601019301915f905b8282106101c357505050500390f35b91936020610211827fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc060019597998495030186526040838a5180511515845201519181858201520190610b6b565b96019201920185949391926101b4565b8161022c9185610d2a565b35907fb0927b46000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b85969395965b85811080610325575b156102cc577fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff811461029f57600101610262565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b95969093966102dc818487610c86565b87831161032157868811610321578261030491602460e06001968c03930288010190846112aa565b61030e828a610d3a565b526103198189610d3a565b500192610179565b5f80fd5b508661033282888c610d2a565b351461026b565b602090610344610d00565b82828a0101520161016b565b60407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126103215760043567ffffffffffffffff81116103215761039a903690600401610bae565b6024359173ffffffffffffffffffffffffffffffffffffffff8316808403610321575f9290159183918291905b808310610444575050503481036104155750816103e057005b6103ed5761008d9161122d565b7f39c6e3b7000000000000000000000000000000000000000000000000000000005f5260045ffd5b7f70647f79000000000000000000000000000000000000000000000000000000005f526004523460245260445ffd5b909192610460906040610458868587610c86565b013590610cf3565b9261046c818385610c86565b5f908661047882610f7c565b936105e5575b826105dd575b50816105d5575b506104bf575b5050156104a3575b60010191906103c7565b946104b76001916040610458898688610c86565b959050610499565b73ffffffffffffffffffffffffffffffffffffffff91925016805f52600260205260405f208054906001820190555f806060850135946020610502818301610bdf565b60407fffffffffffffffffffffffffffffffffffffffff000000000000000000000000610588601461053760a08801886111dc565b61054389989298610bdf565b8651958287938585019b8c3783019160601b168382015203017ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff4810184520182610c00565b519301359088f192603f5a9104116105d35760407f842fb24a83793558587a3dab2be7674da4a51d09c5542d6dd354e5d0ea70813c9181519081528415156020820152a28880610491565bfe5b90508b61048b565b91508c610484565b8215610686578115610647578061047e5773ffffffffffffffffffffffffffffffffffffffff848161061688610bdf565b917fc845a056000000000000000000000000000000000000000000000000000000005f52166004521660245260445ffd5b65ffffffffffff61065a60808701610f69565b7f94eef58a000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b73ffffffffffffffffffffffffffffffffffffffff6106a760208701610bdf565b7fd2650cd1000000000000000000000000000000000000000000000000000000005f52166004523060245260445ffd5b34610321575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126103215760206040516175308152f35b34610321575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610321576020604051620249f08152f35b34610321575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610321576108226107a67f00000000000000000000000000000000000000000000000000000000000000006117a2565b6107cf7f00000000000000000000000000000000000000000000000000000000000000006117a2565b6020610830604051926107e28385610c00565b5f84525f3681376040519586957f0f00000000000000000000000000000000000000000000000000000000000000875260e08588015260e0870190610b6b565b908582036040870152610b6b565b4660608501523060808501525f60a085015283810360c08501528180845192838152019301915f5b82811061086757505050500390f35b835185528695509381019392810192600101610858565b346103215760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126103215760043573ffffffffffffffffffffffffffffffffffffffff81168103610321576108f860209173ffffffffffffffffffffffffffffffffffffffff165f52600260205260405f205490565b604051908152f35b3461032157602061091861091336610afc565b610f7c565b50908261093a575b5081610932575b506040519015158152f35b905082610927565b915083610920565b60e07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126103215760043567ffffffffffffffff8111610321578060040160e07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc83360301126103215760243573ffffffffffffffffffffffffffffffffffffffff81168082036103215760a07fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffbc36011261032157610a0282611741565b8115610af4575b50610ac95750610a246024610a1d84610bdf565b9401610bdf565b5a6084359460ff8616809603610321575f8094819461008d9873ffffffffffffffffffffffffffffffffffffffff604051928160208501977fd505accf0000000000000000000000000000000000000000000000000000000089521660248501521660448301526044356064830152606435608483015260a482015260a43560c482015260c43560e482015260e48152610ac061010482610c00565b5193f150610d4e565b7f3952500a000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b905085610a09565b60207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc820112610321576004359067ffffffffffffffff8211610321577ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc8260e0920301126103215760040190565b907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602080948051918291828752018686015e5f8582860101520116010190565b9181601f840112156103215782359167ffffffffffffffff8311610321576020808501948460051b01011161032157565b3573ffffffffffffffffffffffffffffffffffffffff811681036103215790565b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff821117610c4157604052565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b67ffffffffffffffff8111610c415760051b60200190565b9190811015610cc65760051b810135907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff2181360301821215610321570190565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603260045260245ffd5b9190820180921161029f57565b604051906040820182811067ffffffffffffffff821117610c415760405260606020835f81520152565b9190811015610cc65760e0020190565b8051821015610cc65760209160051b010190565b604081013590813403610f39575f91610d6682610f7c565b9291908215610f18578115610f05578015610ee55782610edd575b5081610ed5575b50610dc0575b50505015610d9857565b7fd6bda275000000000000000000000000000000000000000000000000000000005f5260045ffd5b73ffffffffffffffffffffffffffffffffffffffff919293501690815f5260026020525f806040812092835493600185019055606086013595610e0560208201610bdf565b917fffffffffffffffffffffffffffffffffffffffff000000000000000000000000610e8c60146020610e46610e3e60a08801886111dc565b919097610bdf565b604051958287938585019a8b3783019160601b168382015203017ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff4810184520182610c00565b519288f192603f5a9104116105d35760407f842fb24a83793558587a3dab2be7674da4a51d09c5542d6dd354e5d0ea70813c9181519081528415156020820152a25f8080610d8e565b90505f610d88565b91505f610d81565b73ffffffffffffffffffffffffffffffffffffffff848161061689610bdf565b65ffffffffffff61065a60808801610f69565b73ffffffffffffffffffffffffffffffffffffffff6106a760208801610bdf565b507f70647f79000000000000000000000000000000000000000000000000000000005f526004523460245260445ffd5b3565ffffffffffff811681036103215790565b90610f8682610bdf565b6020830191610f9483610bdf565b610fc5610fa086610bdf565b73ffffffffffffffffffffffffffffffffffffffff165f52600260205260405f205490565b6080860193610fd385610f69565b92610fe160a08901896111dc565b939067ffffffffffffffff8511610c415760405195611028601f87017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe01660200188610c00565b8587526020870136878401116103215761112a975f60208960429a65ffffffffffff978637830101525190209273ffffffffffffffffffffffffffffffffffffffff604051958160208801987f7f96328b83274ebc7c1cf4f7a3abda602b51a78b7fa1d86a2ce353d75e587cac8a5216604088015216606086015260408c0135608086015260608c013560a086015260c08501521660e083015261010082015261010081526110d961012082610c00565b5190206110e4611990565b90604051917f19010000000000000000000000000000000000000000000000000000000000008352600283015260228201522061112460c08701876111dc565b9161195c565b5060048194929410156111af5761114d611148611154921596610bdf565b611741565b5091610f69565b948461116e575b509365ffffffffffff4291161015929190565b73ffffffffffffffffffffffffffffffffffffffff91945061118f90610bdf565b1673ffffffffffffffffffffffffffffffffffffffff831614925f61115b565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52602160045260245ffd5b9035907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe181360301821215610321570180359067ffffffffffffffff82116103215760200191813603831361032157565b81471061127a575f80809373ffffffffffffffffffffffffffffffffffffffff82948360405161125e602082610c00565b52165af11561126957565b3d15610d98576040513d5f823e3d90fd5b50477fcf479181000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b9392939190916112b8610d00565b9460a08401926112c884866111dc565b9050620138800180620138801161029f576202ef7c80840290848204148415171561029f576112f691610cf3565b9160608601359361130b603f86049485610cf3565b85017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8682101580920218027fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff18905a9082821061171057505050604086013591826116c2576020870191905f5b8281106115555750505061138f610fa087610bdf565b945f9461139b88610f7c565b9291908261154d575b5081611545575b50611437575b50505050505015801585526113c4575050565b6113d0610fa083610bdf565b036113e5576113de906117f9565b6020830152565b503d610100811161142e575b7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0603f60405192808452805f602086013e011681016040526113de565b506101006113f1565b73ffffffffffffffffffffffffffffffffffffffff919293949596501693845f52600260205260405f209384549460018601905561147490610bdf565b9261147f90896111dc565b6114888a610bdf565b90604051918183926020840195863782019060601b7fffffffffffffffffffffffffffffffffffffffff000000000000000000000000166020820152036020017ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff4810182526014016114fa9082610c00565b51915f948594f1925a106105d35760407f842fb24a83793558587a3dab2be7674da4a51d09c5542d6dd354e5d0ea70813c9181519081528415156020820152a25f80808080806113b1565b90505f6113ab565b91505f6113a4565b61156b6020611565838686610d2a565b01610bdf565b9061157582611741565b81156116ba575b506116515761158a8a610bdf565b61159386610bdf565b9061159f838787610d2a565b9360808501359160ff8316809303610321575f809460c0600198839673ffffffffffffffffffffffffffffffffffffffff604051948160208701987fd505accf000000000000000000000000000000000000000000000000000000008a52166024870152166044850152604082013560648501526060820135608485015260a484015260a081013560c4840152013560e482015260e4815261164361010482610c00565b5192620249f0f15001611379565b5097505050505050505073ffffffffffffffffffffffffffffffffffffffff604093929351917f3952500a000000000000000000000000000000000000000000000000000000006020840152166024820152602481526116b2604482610c00565b602082015290565b90505f61157c565b50509350505050604092919251907f70647f7900000000000000000000000000000000000000000000000000000000602083015260248201525f6044820152604481526116b2606482610c00565b7f05d21a20000000000000000000000000000000000000000000000000000000005f5260045260245260445260645ffd5b61753060205f604051938285017f572b6c0500000000000000000000000000000000000000000000000000000000815230602487015260248652611786604487610c00565b5a95519185fa915a900311811516905f511515601f3d11161691565b60ff811690601f82116117d157604051916117be604084610c00565b6020808452838101919036833783525290565b7fb3512b0c000000000000000000000000000000000000000000000000000000005f5260045ffd5b61180281610f7c565b93929050156118f1571561189e5761181c61189b91610bdf565b6040517fc845a05600000000000000000000000000000000000000000000000000000000602082015273ffffffffffffffffffffffffffffffffffffffff93841660248201529216604483015281606481015b037fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe08101835282610c00565b90565b6118ab9150608001610f69565b65ffffffffffff604051917f94eef58a0000000000000000000000000000000000000000000000000000000060208401521660248201526024815261189b604482610c00565b5061186f9150611906602061189b9201610bdf565b6040517fd2650cd100000000000000000000000000000000000000000000000000000000602082015273ffffffffffffffffffffffffffffffffffffffff90911660248201523060448201529182906064820190565b90604183036119865761197f9250602081013591604082359201355f1a90611ab9565b9192909190565b50505f9160029190565b73ffffffffffffffffffffffffffffffffffffffff7f000000000000000000000000000000000000000000000000000000000000000016301480611a90575b156119f8577f000000000000000000000000000000000000000000000000000000000000000090565b60405160208101907f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f82527f000000000000000000000000000000000000000000000000000000000000000060408201527f000000000000000000000000000000000000000000000000000000000000000060608201524660808201523060a082015260a08152611a8a60c082610c00565b51902090565b507f000000000000000000000000000000000000000000000000000000000000000046146119cf565b91907f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a08411611b48579160209360809260ff5f9560405194855216868401526040830152606082015282805260015afa15611b3d575f5173ffffffffffffffffffffffffffffffffffffffff811615611b3357905f905f90565b505f906001905f90565b6040513d5f823e3d90fd5b5050505f916003919056' as const;
